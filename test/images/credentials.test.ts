import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { InputError } from "../../provider/errors";
import { findCredentials } from "../../provider/images/credentials";
import { usingNoLogins } from "./operator";

let home: string;
const encode = (text: string) => Buffer.from(text).toString("base64");
const auths = (host: string, name: string) => ({ auths: { [host]: { auth: encode(`${name}:word`) } } });

function save(path: string, content: object | string): string {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

/** A credential helper that notes what it was given. */
function helper(name: string, answer: string, exitCode = 0): void {
  const note = join(home, `${name}.note`);
  const script = `#!/bin/sh\n{ echo "$@"; cat; } > ${note}\ncat <<'END'\n${answer}\nEND\nexit ${exitCode}\n`;
  chmodSync(save(`bin/docker-credential-${name}`, script), 0o755);
}

const found = async (registry: string, repository = "team/app", pullSecrets: string[] = []) =>
  (await findCredentials(registry, repository, pullSecrets)).credentials.map(({ username }) => username);

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "barepod-operator-"));
  usingNoLogins(home);
  vi.stubEnv("PATH", `${join(home, "bin")}:${process.env["PATH"]}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

test("pull secrets come first, then docker's file, then podman's", async () => {
  save(".docker/config.json", auths("registry.example", "docker"));
  save("run/containers/auth.json", auths("registry.example", "podman"));
  save(".config/containers/auth.json", auths("registry.example/team", "lasting"));
  const pullSecrets = [auths("registry.example", "first"), auths("else.example", "none"), auths("*.example", "last")];
  const texts = pullSecrets.map((each) => JSON.stringify(each));
  expect(await found("registry.example", "team/app", texts)).toEqual(["first", "last", "docker", "podman", "lasting"]);
  expect(await found("else.example:5000")).toEqual([]);
});

test("each file is where its tool looks for it", async () => {
  save(".docker/config.json", auths("a.example", "usual"));
  save("run/containers/auth.json", auths("a.example", "usual"));
  save("docker/config.json", auths("a.example", "docker"));
  vi.stubEnv("DOCKER_CONFIG", join(home, "docker"));
  vi.stubEnv("REGISTRY_AUTH_FILE", save("podman.json", auths("a.example", "podman")));
  expect(await found("a.example")).toEqual(["docker", "podman"]);
});

test("a helper is asked on its standard input, in docker's name for the registry", async () => {
  helper("keys", JSON.stringify({ ServerURL: "x", Username: "kept", Secret: "word" }));
  save(".docker/config.json", { credsStore: "keys" });
  expect(await found("docker.io", "library/nginx")).toEqual(["kept"]);
  expect(readFileSync(join(home, "keys.note"), "utf8")).toBe("get\nhttps://index.docker.io/v1/\n");
  expect(await found("registry.example:5000")).toEqual(["kept"]);
  expect(readFileSync(join(home, "keys.note"), "utf8")).toBe("get\nregistry.example:5000\n");
});

test("the helper of one registry goes before the store of all", async () => {
  helper("keys", JSON.stringify({ Username: "store", Secret: "word" }));
  helper("cloud", JSON.stringify({ Username: "<token>", Secret: "identity" }));
  save(".docker/config.json", { credsStore: "keys", credHelpers: { "a.example": "cloud" } });
  expect((await findCredentials("a.example", "app")).credentials).toEqual([
    { origin: "docker-credential-cloud", identityToken: "identity" },
  ]);
  expect(await found("b.example")).toEqual(["store"]);
});

test("a helper that knows nothing leaves the file", async () => {
  helper("keys", "credentials not found in native keychain", 1);
  save(".docker/config.json", { credsStore: "keys", ...auths("a.example", "file") });
  expect(await findCredentials("a.example", "app")).toMatchObject({
    credentials: [{ username: "file" }],
    problems: [],
  });
});

test.each([
  ["is not there", undefined, "docker-credential-keys is not on PATH"],
  ["fails", ["no luck", 3], "docker-credential-keys get failed with status 3: no luck"],
  ["answers nonsense", ["swordfish", 0], "docker-credential-keys get did not answer with JSON"],
  ["answers with no login", ["{}", 0], "docker-credential-keys get gave no login"],
] as const)("a helper that %s is a problem, not the end", async (_, answer, problem) => {
  if (answer !== undefined) helper("keys", answer[0], answer[1]);
  const file = save(".docker/config.json", { credsStore: "keys" });
  expect(await findCredentials("a.example", "app")).toEqual({ credentials: [], problems: [`${file}: ${problem}`] });
});

test("a helper's name leads to no other program", async () => {
  save(".docker/config.json", { credsStore: "../../../bin/sh" });
  const { problems } = await findCredentials("a.example", "app");
  expect(problems[0]).toContain("is no name of a program");
});

test("a pull secret that cannot be read is the user's mistake, and is not quoted", async () => {
  const good = JSON.stringify(auths("a.example", "x"));
  const failing = findCredentials("a.example", "app", [good, "swordfish"]);
  await expect(failing).rejects.toThrow(InputError);
  await expect(failing).rejects.toThrow(
    "imagePullSecrets[1]: must be the text of a kubernetes.io/dockerconfigjson Secret: it is not JSON",
  );
});
