import { expect, test } from "vitest";
import { matches, matching, parseDockerConfig } from "../../provider/images/docker-config";

// After the examples of https://kubernetes.io/docs/concepts/containers/images/#config-json and the kubelet's own tests.
test.each([
  ["registry.example", "registry.example", "team/app", true],
  ["registry.example", "registry.example:5000", "team/app", false],
  ["registry.example:5000", "registry.example:5000", "team/app", true],
  ["registry.example:5000", "registry.example", "team/app", false],
  ["https://registry.example", "registry.example", "app", true],
  ["http://registry.example/", "registry.example", "app", true],
  ["https://registry.example/v1/", "registry.example", "app", true],
  ["https://registry.example/v2/", "registry.example", "app", true],
  ["REGISTRY.example", "registry.example", "app", true],
  ["registry.example/team", "registry.example", "team/app", true],
  ["registry.example/team/", "registry.example", "team/app", true],
  ["registry.example/other", "registry.example", "team/app", false],
  ["registry.example/te", "registry.example", "team/app", true],
  ["*.example", "registry.example", "app", true],
  ["*.registry.example", "registry.example", "app", false],
  ["*.example", "a.registry.example", "app", false],
  ["*.*.example", "a.registry.example", "app", true],
  ["prefix.*.io", "prefix.kubernetes.io", "app", true],
  ["*-good.kubernetes.io", "prefix-good.kubernetes.io", "app", true],
  ["registr?.example", "registry.example", "app", true],
  ["registr[x-z].example", "registry.example", "app", true],
  ["registr[a-c].example", "registry.example", "app", false],
  ["*.example:5000/team", "registry.example:5000", "team/app", true],
  ["https://index.docker.io/v1/", "docker.io", "library/nginx", true],
  ["index.docker.io", "docker.io", "library/nginx", true],
  ["docker.io", "docker.io", "library/nginx", true],
  ["docker.io/team", "docker.io", "team/app", true],
  ["docker.io/team", "docker.io", "library/nginx", false],
  ["[::1]:5000", "[::1]:5000", "app", true],
  ["registryXexample", "registry.example", "app", false],
  ["", "registry.example", "app", false],
  ["[", "registry", "app", false],
])("%s for %s/%s: %s", (key, registry, repository, expected) => {
  expect(matches(key, registry, repository)).toBe(expected);
});

test("the most telling key comes first", () => {
  const keys = ["*.example", "registry.example", "registry.example/team", "registry.example/team/app", "else.example"];
  const found = matching(
    keys.map((key) => ({ key })),
    "registry.example",
    "team/app",
  );
  expect(found.map(({ key }) => key)).toEqual([
    "registry.example/team/app",
    "registry.example/team",
    "registry.example",
    "*.example",
  ]);
});

const base64 = (text: string) => Buffer.from(text).toString("base64");

test.each([
  [{ auth: base64("me:pass:word") }, { username: "me", password: "pass:word" }],
  [{ auth: base64("me:word\0\0") }, { username: "me", password: "word" }],
  [
    { username: "me", password: "word", email: "x@y" },
    { username: "me", password: "word" },
  ],
  [
    { auth: base64("me:word"), username: "other", password: "other" },
    { username: "me", password: "word" },
  ],
  [
    { auth: base64("me:"), identitytoken: "it" },
    { username: "me", password: "", identityToken: "it" },
  ],
  [{ registrytoken: "rt" }, { registryToken: "rt" }],
  [{}, undefined],
  [{ username: "me" }, undefined],
])("%j", (entry, credential) => {
  const { auths } = parseDockerConfig(JSON.stringify({ auths: { host: entry } }));
  expect(auths.map((each) => each.credential)).toEqual(credential === undefined ? [] : [credential]);
});

test.each([
  ["swordfish", "is not JSON"],
  ["[]", "is not a JSON object"],
  ['{"auths":"swordfish"}', "auths must be an object"],
  ['{"auths":{"host":{"auth":"swordfish"}}}', 'auths["host"].auth must be base64'],
])("refuses %s, and quotes nothing of it", (text, why) => {
  expect(() => parseDockerConfig(text)).toThrow(why);
  expect(() => parseDockerConfig(text)).not.toThrow("swordfish");
});
