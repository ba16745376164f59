/** A docker-registry on this machine, with an image made for the purpose. */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";

/** This machine's address as the node sees it. */
export function operatorAddress(host) {
  const network = host.replace(/\d+\.\d+$/, "");
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ address }) => address.startsWith(network))?.address;
}

/** Undefined where the programs for it are not there. */
export async function startRegistry(folder, address) {
  try {
    execFileSync("sh", ["-c", "command -v docker-registry skopeo umoci busybox"], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  const storage = { filesystem: { rootdirectory: join(folder, "storage") } };
  const config = { version: 0.1, storage, http: { addr: `${address}:0` } };
  writeFileSync(join(folder, "config.yml"), JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: ["ignore", "pipe", "pipe"] });
  const port = await new Promise((resolve, reject) => {
    let log = "";
    const read = (chunk) => {
      log += chunk;
      const [, found] = /listening on [^ "]*:(\d+)/.exec(log) ?? [];
      if (found !== undefined) resolve(found);
    };
    for (const stream of [child.stdout, child.stderr]) stream.on("data", read);
    child.once("exit", () => reject(new Error(`docker-registry does not start: ${log}`)));
  });
  return { child, host: `${address}:${port}` };
}

/** Each layer is half noise, half text: as programs are, it can be compressed somewhat. */
export function fill(folder, image, { layers, megabytes }) {
  const layout = join(folder, "layout");
  const umoci = (...words) => execFileSync("umoci", words, { stdio: "pipe" });
  umoci("init", "--layout", layout);
  umoci("new", "--image", `${layout}:a`);
  for (let i = 0; i < layers; i += 1) {
    const layer = join(folder, `layer${i}`);
    mkdirSync(join(layer, "bin"), { recursive: true });
    if (i === 0) cpSync("/bin/busybox", join(layer, "bin", "busybox"), { dereference: true });
    for (let file = 0; file < megabytes; file += 1) {
      const noise = randomBytes(512 * 1024);
      writeFileSync(
        join(layer, `data${i}-${file}`),
        Buffer.concat([noise, Buffer.from(noise.toString("hex"))]).subarray(0, 2 ** 20),
      );
    }
    umoci("insert", "--rootless", "--image", `${layout}:a`, layer, "/");
  }
  skopeo("copy", "--dest-tls-verify=false", `oci:${layout}:a`, `docker://${image}`);
}

export function skopeo(...words) {
  execFileSync("skopeo", ["--insecure-policy", ...words, "--quiet"], { stdio: "pipe" });
}
