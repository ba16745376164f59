import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Box, configText, type Directive, reasonToSkip } from "./box";

const passwd = `root:x:0:0:root:/root:/bin/sh
damaged:x:zero:0::/damaged:/bin/sh
app:x:1000:1001:App:/home/app:/bin/sh
twin:x:1000:7::/home/twin:/bin/sh
homeless:x:1002:1002:::
`;
const group = `root:x:0:
app:x:1001:
extra:x:2000:other,app
more:x:2001:app
damaged:x:20x:app
roots:x:2002:root
`;

describe.skipIf(reasonToSkip())("the launcher's user", () => {
  let box: Box;
  beforeEach(() => {
    box = new Box();
    writeFileSync(join(box.root, "etc/passwd"), passwd);
    writeFileSync(join(box.root, "etc/group"), group);
  });
  afterEach(() => box.close());

  const who = `grep -E '^(Uid|Gid|Groups):' /proc/self/status | tr '\\t' ' '; echo "$HOME"`;
  const seen = (...directives: Directive[]) => {
    const result = box.sh(who, [...box.isolated, ...directives]);
    expect(result).toMatchObject({ code: 0, said: "" });
    const [uid, gid, groups, home] = result.stdout.split("\n");
    return {
      uid: Number(uid?.split(" ")[1]),
      gid: Number(gid?.split(" ")[1]),
      groups: (groups ?? "").split(" ").slice(1).filter(Boolean).map(Number),
      home,
    };
  };

  const table: { spec: string; directives?: Directive[]; sees: object }[] = [
    { spec: "app", sees: { uid: 1000, gid: 1001, groups: [1001, 2000, 2001], home: "/home/app" } },
    { spec: "1000", sees: { uid: 1000, gid: 1001, groups: [1001, 2000, 2001], home: "/home/app" } },
    { spec: "twin", sees: { uid: 1000, gid: 7, groups: [7], home: "/home/app" } },
    { spec: "app:extra", sees: { uid: 1000, gid: 2000, groups: [2000, 2001], home: "/home/app" } },
    { spec: "app:5", sees: { uid: 1000, gid: 5, groups: [5, 2000, 2001], home: "/home/app" } },
    { spec: "4711", sees: { uid: 4711, gid: 0, groups: [0], home: "/" } },
    { spec: "4711:more", sees: { uid: 4711, gid: 2001, groups: [2001], home: "/" } },
    { spec: "homeless", sees: { uid: 1002, gid: 1002, groups: [1002], home: "/" } },
    { spec: "root", sees: { uid: 0, gid: 0, groups: [0, 2002], home: "/root" } },
    { spec: "app", directives: [["groups", "9,1001"]], sees: { groups: [9, 1001, 2000, 2001] } },
    { spec: "app", directives: [["strictgroups"], ["groups", "9"]], sees: { gid: 1001, groups: [9, 1001] } },
    { spec: "app", directives: [["uid", 0]], sees: { uid: 0, gid: 1001, home: "/root" } },
    { spec: "app", directives: [["gid", 77]], sees: { uid: 1000, gid: 77, groups: [77, 2000, 2001] } },
    { spec: "app", directives: [["env", "HOME=/mine"]], sees: { uid: 1000, home: "/mine" } },
    { spec: "app", directives: [["nonroot"]], sees: { uid: 1000 } },
  ];
  it.each(table)("$spec with $directives is $sees", ({ spec, directives = [], sees }) => {
    expect(seen(["user", spec], ...directives)).toMatchObject(sees);
  });

  it("comes from an included file too, and the configuration's own wins", () => {
    const file = join(box.folder, "image");
    writeFileSync(file, configText([["user", "app"]]));
    expect(seen(["include", file])).toMatchObject({ uid: 1000, gid: 1001 });
    expect(seen(["include", file], ["user", "4711"])).toMatchObject({ uid: 4711, gid: 0 });
  });

  it("leaves HOME alone when there is no user", () => {
    expect(seen()).toMatchObject({ uid: 0, home: "" });
  });

  it("says whom the image does not know", () => {
    const refused = (...directives: Directive[]) => {
      const result = box.sh("true", [...box.isolated, ...directives]);
      expect(result.code).toBe(125);
      return result.said;
    };
    expect(refused(["user", "nobody"])).toBe('launcher: user: the image has no user "nobody" in its /etc/passwd\n');
    expect(refused(["user", "damaged"])).toContain('no user "damaged"');
    expect(refused(["user", "app:nobody"])).toBe('launcher: user: the image has no group "nobody" in its /etc/group\n');
    expect(refused(["user", "4294967295"])).toContain("user 4294967295 must be a number between 0 and 4294967294");
    expect(refused(["user", "a:b:c"])).toContain('user "a:b:c" must be a name or a uid');
    expect(refused(["user", ""])).toContain('user "" must be');
    for (const directives of [[], [["user", "root"]], [["user", "0"]], [["uid", 0]]] as Directive[][])
      expect(refused(["nonroot"], ...directives)).toContain("container has runAsNonRoot and image will run as root");
  });

  it("does not need the account files for numbers", () => {
    writeFileSync(join(box.root, "etc/passwd"), "");
    writeFileSync(join(box.root, "etc/group"), "");
    expect(box.sh("id -u; id -g", [...box.isolated, ["user", "12:34"]]).stdout).toBe("12\n34\n");
  });

  it("reads no file outside of the root, no device, no FIFO, nothing without end", () => {
    const outside = join(box.folder, "outside");
    writeFileSync(outside, "evil:x:4242:4242::/:\n");
    let roots = 0;
    const links = (target: string) => {
      const root = join(box.folder, `root-${roots++}`);
      mkdirSync(join(root, "bin"), { recursive: true });
      mkdirSync(join(root, "proc"));
      mkdirSync(join(root, "etc"));
      writeFileSync(join(root, "bin/busybox"), readFileSync(join(box.root, "bin/busybox")), { mode: 0o755 });
      symlinkSync(target, join(root, "etc/passwd"));
      return box.run([
        ["root", root],
        ["new", "mnt"],
        ["mount", "proc", "/proc", "proc", "-", "-"],
        ["mount", "tmpfs", "/dev", "tmpfs", "-", "-"],
        ["device", "/dev/zero", "c", 1, 5, "666"],
        ["user", "evil"],
        ["arg", "/bin/busybox"],
        ["arg", "true"],
      ]);
    };
    expect(links(`../../../../../../..${outside}`).said).toContain('the image has no user "evil"');
    // The namespace is the node's: /proc/1/root is the node's root.
    expect(links(`/proc/1/root${outside}`)).toMatchObject({ code: 125, said: expect.stringContaining("/etc/passwd") });
    expect(links("/dev/zero").said).toContain("/etc/passwd is not a regular file");
    expect(links("/etc").said).toContain("/etc/passwd is not a regular file");
    writeFileSync(join(box.root, "etc/passwd"), Buffer.alloc((1 << 20) + 1, "x"));
    expect(box.sh("true", [...box.isolated, ["user", "app"]]).said).toContain(
      "/etc/passwd has more than 1048576 bytes",
    );
  });

  it("leaves on the node who it was", () => {
    const file = join(box.folder, "identity");
    seen(["user", "app"], ["groups", "9"], ["identity", file]);
    expect(readFileSync(file, "utf8")).toBe("1000\t1001\t9,2000,2001,1001\t/home/app\n");
    const none = join(box.folder, "none");
    seen(["identity", none]);
    expect(existsSync(none)).toBe(false);
  });
});
