import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { expandContainer } from "../../provider/kubernetes/expand";
import { expansions, variables } from "../kubernetes/expansions";
import { Box, configText, type Directive, launcher, reasonToSkip } from "./box";

describe.skipIf(reasonToSkip())("the launcher's environment and arguments", () => {
  let box: Box;
  beforeEach(() => {
    box = new Box();
  });
  afterEach(() => box.close());

  function file(name: string, content: string | Buffer): string {
    const path = join(box.folder, name);
    writeFileSync(path, content);
    return path;
  }
  const include = (lines: readonly Directive[]): Directive => ["include", file("image", configText(lines))];

  /** What a shell is really started with. */
  function seen(directives: readonly Directive[]): { env: string[]; args: string[] } {
    const script = `cat /proc/$$/environ; printf '\\001'; cat /proc/$$/cmdline`;
    const path = box.write([
      ["stdio", "inherit"],
      ["arg", "/bin/sh"],
      ["arg", "-c"],
      ["arg", directives.some(([word]) => word === "expand") ? script.replaceAll("$", () => "$$") : script],
      ["arg", "sh"],
      ...directives,
    ]);
    const done = spawnSync(launcher, ["run", path], { encoding: "utf8" });
    expect(done).toMatchObject({ status: 0, stderr: "" });
    const [env = "", args = ""] = done.stdout.split("\u0001");
    return { env: env.split("\0").slice(0, -1), args: args.split("\0").slice(4, -1) };
  }
  function refused(directives: readonly Directive[]): string {
    const done = box.run([["arg", "/bin/true"], ...directives]);
    expect(done.code).toBe(125);
    expect(done.status[0]).toBe("failed");
    return done.said;
  }

  it("takes an included file as the defaults of an image, wherever it is named", () => {
    const image: Directive[] = [
      ["env", "A=image"],
      ["env", "B=image\t1"],
      ["arg", "image-1"],
      ["arg", "image-2"],
    ];
    expect(seen([["env", "A=pod"], ["env", "C=pod"], include(image), ["arg", "pod"]])).toEqual({
      env: ["A=pod", "B=image\t1", "C=pod"],
      args: ["image-1", "image-2", "pod"],
    });
    expect(seen([["arg", "pod"], include(image), ["arg", "last"]]).args).toEqual(["pod", "image-1", "image-2", "last"]);
  });

  it("starts what an included file says, in its working directory", () => {
    const image: Directive[] = [
      ["cwd", "/usr"],
      ["arg", "/bin/pwd"],
    ];
    expect(box.run([include(image), ["stdio", "inherit"]]).inherited).toBe("/usr\n");
    expect(box.run([["cwd", "/etc"], include(image), ["stdio", "inherit"]]).inherited).toBe("/etc\n");
  });

  it("refuses what an included file must not say, and one that is not there", () => {
    const good: Directive[] = [
      ["arg", "/bin/true"],
      ["stdio", "inherit"],
    ];
    const refuse = (directive: Directive) =>
      spawnSync(launcher, ["run", box.write([...good, directive])], { encoding: "utf8" }).stderr;
    expect(
      refuse(
        include([
          ["env", "A=1"],
          ["uid", 0],
        ]),
      ),
    ).toContain("image: line 2: uid cannot stand in an included file");
    expect(refuse(include([["include", "/x"]]))).toContain("line 1: include cannot stand in an included file");
    expect(refuse(include([["env", "A"]]))).toContain("line 1: env must be NAME=VALUE");
    expect(refuse(["include", join(box.folder, "nowhere")])).toContain("nowhere: no such file or directory");
    expect(refuse(["include", "image"])).toContain('include "image" must be an absolute path');
  });

  it("takes values from files as they are, or without the newline at their end", () => {
    const value = file("value", "a\tb\\n\nü\n");
    expect(
      seen([
        ["envfile", "A", value, "required"],
        ["envline", "B", value, "required"],
        ["envfile", "C", join(box.folder, "nowhere"), "optional"],
        ["envfile", "D", file("empty", ""), "optional"],
        ["envline", "E", file("empty", ""), "required"],
      ]).env,
    ).toEqual(["A=a\tb\\n\nü\n", "B=a\tb\\n\nü", "D=", "E="]);
  });

  it("refuses a missing file, a NUL byte, a folder, too much, and never shows a value", () => {
    expect(refused([["envfile", "A", "/nowhere", "required"]])).toContain(
      "env: A: /nowhere: no such file or directory",
    );
    const secret = refused([["envfile", "A", file("nul", "secret\0"), "required"]]);
    expect(secret).toContain("env: A: the value holds a NUL byte");
    expect(secret).not.toContain("secret");
    expect(refused([["envfile", "A", "/etc", "required"]])).toContain("/etc is not a regular file");
    expect(refused([["envfile", "A", file("large", Buffer.alloc((1 << 20) + 1, 65)), "required"]])).toContain(
      "A: the value has more than 1048576 bytes",
    );
    const long = box.run([
      ["env", "PATH=/bin"],
      ["envfile", "LONG", file("long", "s".repeat(131072)), "required"],
      ["arg", "true"],
    ]);
    expect(long).toMatchObject({ code: 126 });
    expect(long.said).toContain("the environment are longer than Linux takes; LONG has 131077 bytes");
  });

  it("makes variables of a folder's files: sorted, with a prefix, without what cannot be one", () => {
    const folder = join(box.folder, "volume");
    mkdirSync(join(folder, "..2026"), { recursive: true });
    mkdirSync(join(folder, "folder"));
    symlinkSync("..2026", join(folder, "..data"));
    for (const [name, content] of Object.entries({
      b: "2\n",
      a: "1",
      "x.y-z": "3",
      é: "no",
      "a=b": "no",
      ".dot": "4",
    })) {
      writeFileSync(join(folder, "..2026", name), content);
      symlinkSync(`..data/${name}`, join(folder, name));
    }
    symlinkSync("nowhere", join(folder, "dangling"));
    expect(seen([["envdir", "P_", folder, "required"]]).env).toEqual(["P_.dot=4", "P_a=1", "P_b=2\n", "P_x.y-z=3"]);

    mkdirSync(join(box.folder, "second"));
    writeFileSync(join(box.folder, "second/a"), "second");
    writeFileSync(join(box.folder, "second/c"), "second");
    expect(
      seen([
        ["env", "c=env"],
        ["envdir", "", folder, "required"],
        ["envdir", "", join(box.folder, "second"), "required"],
        ["envdir", "", join(box.folder, "nowhere"), "optional"],
        include([
          ["env", "b=image"],
          ["env", "i=image"],
        ]),
      ]).env,
    ).toEqual(["b=2\n", "i=image", ".dot=4", "a=second", "x.y-z=3", "c=env"]);
    expect(refused([["envdir", "", join(box.folder, "nowhere"), "required"]])).toContain(
      "nowhere: no such file or directory",
    );
  });

  it("expands what the configuration says, with what it has defined, and nothing of the image", () => {
    expect(
      seen([
        ["expand"],
        ["env", "LATER=$(A) $(FILE) $(d) $(IMAGE) $(MINE)"],
        ["env", "A=1"],
        ["envfile", "FILE", file("value", "$(A)"), "required"],
        ["env", "B=$(A) $(FILE) $$(A) $(IMAGE) $(MINE) $(NO"],
        include([
          ["env", "IMAGE=$(A)"],
          ["env", "MINE=image"],
          ["arg", "$(A)"],
        ]),
        ["env", "MINE=pod"],
        ["env", "A=2"],
        ["arg", "$(A)$(MINE)$(IMAGE)$(B)"],
      ]),
    ).toEqual({
      env: [
        "IMAGE=$(A)",
        "MINE=pod",
        "LATER=$(A) $(FILE) $(d) $(IMAGE) $(MINE)",
        "A=2",
        "FILE=$(A)",
        "B=1 $(A) $(A) $(IMAGE) $(MINE) $(NO",
      ],
      args: ["$(A)", "2pod$(IMAGE)1 $(A) $(A) $(IMAGE) $(MINE) $(NO"],
    });
    expect(
      seen([
        ["env", "A=$$(B)"],
        ["arg", "$(A)"],
      ]),
    ).toEqual({ env: ["A=$$(B)"], args: ["$(A)"] });
  });

  it("lets everything win over a default, and no reference see one", () => {
    mkdirSync(join(box.folder, "map"));
    writeFileSync(join(box.folder, "map/FOLDER"), "map");
    const image: Directive[] = [["env", "IMAGE=image"]];
    const defaults: Directive[] = [
      "PATH=/bin:/usr/bin",
      "IMAGE=default",
      "FOLDER=default",
      "OWN=default",
      "LEFT=default",
    ].map((each) => ["envdefault", each]);
    const own: Directive[] = [
      ["envdir", "", join(box.folder, "map"), "required"],
      ["env", "OWN=$(PATH) $(OWN) $(IMAGE) $(FOLDER)"],
      ["arg", "$(PATH) $(LEFT) $(FOLDER)"],
    ];
    expect(seen([["expand"], ...own, include(image), ...defaults])).toEqual({
      env: ["PATH=/bin:/usr/bin", "IMAGE=image", "FOLDER=map", "OWN=$(PATH) $(OWN) $(IMAGE) map", "LEFT=default"],
      args: ["$(PATH) $(LEFT) map"],
    });
  });

  it("expands as Kubernetes' own tests say", () => {
    const got = seen([
      ["expand"],
      ...variables.map(({ name, value }): Directive => ["env", `${name}=${value}`]),
      ...expansions.map(([text]): Directive => ["arg", text]),
    ]);
    expect(got.args.map((arg, i) => [expansions[i]?.[0], arg])).toEqual(expansions);
  });

  it("expands as the program does", () => {
    const name = fc.constantFrom("A", "B", "C", "AB", "a.b", "_");
    const piece = fc.oneof(
      name.map((one) => `$(${one})`),
      fc.constantFrom("$", "$$", "(", ")", "$(", "$()", "A", "B", " ", "\t", "\n", "\\", "ü", "$(A", "$((A))", "$(A)$"),
      fc.string({ unit: "grapheme" }).map((each) => each.replaceAll("\0", "")),
    );
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(
        fc.array(fc.record({ name, value: text }), { maxLength: 8 }),
        fc.array(text, { maxLength: 6 }),
        (env, args) => {
          const expected = expandContainer({ command: [], args, env });
          const got = seen([
            ["expand"],
            ...env.map((one): Directive => ["env", `${one.name}=${one.value}`]),
            ...args.map((one): Directive => ["arg", one]),
          ]);
          expect(got.env).toEqual(expected.env.map((one) => `${one.name}=${one.value}`));
          expect(got.args).toEqual(expected.args);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("refuses an expansion that grows beyond all bounds", () => {
    const double: Directive[] = Array.from({ length: 40 }, (_, i) => ["env", `V${i + 1}=$(V${i})$(V${i})`]);
    expect(refused([["expand"], ["env", "V0=x"], ...double])).toContain("larger than Linux passes to a program");
  });

  it("refuses what cannot be read", () => {
    const line = (directive: Directive) =>
      spawnSync(launcher, ["run", box.write([["stdio", "inherit"], ["arg", "/bin/true"], directive])], {
        encoding: "utf8",
      }).stderr;
    expect(line(["envfile", "A", "/x", "maybe"])).toContain('line 3: "maybe" must be required or optional');
    expect(line(["envfile", "", "/x", "optional"])).toContain('line 3: "" cannot be the whole of a variable\'s name');
    expect(line(["envdir", "a=", "/x", "optional"])).toContain("cannot be the beginning of a variable's name");
    expect(line(["envline", "A", "x", "optional"])).toContain('path "x" must be an absolute path');
    expect(line(["stopsignal", 0])).toContain('stopsignal "0" must be a number between 1 and 64');
    expect(line(["stopsignal", 65])).toContain('stopsignal "65" must be');
  });

  it("passes the stop signal on in place of TERM", async () => {
    const script = "trap 'echo usr1; exit 3' USR1; trap 'echo term' TERM; echo ready; while :; do sleep 0.05; done";
    const shell: Directive[] = [
      ["arg", "sh"],
      ["arg", "-c"],
      ["arg", script],
    ];
    for (const directive of [["stopsignal", 10], include([["stopsignal", 10]])] as Directive[]) {
      const held = await box.start([...box.isolated, directive, ...shell]);
      await box.logged("ready");
      process.kill(held.launcherPid, "SIGTERM");
      expect(await held.ended).toBe(3);
      expect(box.result(0).stdout).toBe("ready\nusr1\n");
    }
  });
});
