/** Tar archives of exactly what a test wants in them, however hostile. */

/** One member. */
export interface Member {
  readonly name: string;
  /** As in ustar: `0` file, `1` hard link, `2` symbolic link, `3` character device, `5` folder. */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly link?: string;
  readonly content?: string;
}

/** A tar archive of exactly these members, however hostile. */
export function tar(members: readonly Member[]): Buffer {
  const blocks = members.flatMap(({ name, type = "0", mode = 0o755, uid = 0, link = "", content = "" }) => {
    const header = Buffer.alloc(512);
    const octal = (value: number, at: number, length: number) =>
      header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
    const body = Buffer.from(content);
    header.write(name, 0, 100, "utf8");
    octal(mode, 100, 8);
    octal(uid, 108, 8);
    octal(uid, 116, 8);
    octal(body.length, 124, 12);
    octal(0, 136, 12);
    header.write("        ", 148, "latin1");
    header.write(type, 156, "latin1");
    header.write(link, 157, 100, "utf8");
    header.write("ustar\x0000", 257, "latin1");
    octal(1, 329, 8);
    octal(3, 337, 8);
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    );
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
