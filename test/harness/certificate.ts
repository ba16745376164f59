/** A throw-away certificate that is its own authority. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  /** PEM files. */
  readonly certFile: string;
  readonly keyFile: string;
  /** The certificate as a token's `x5c` has it. */
  readonly der: string;
}

/** Makes `<name>.crt` and `<name>.key` in a folder, for 127.0.0.1 and these names. */
export function makeCertificate(folder: string, name: string, hosts: readonly string[] = ["localhost"]): Certificate {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const names = ["IP:127.0.0.1", ...hosts.map((host) => `DNS:${host}`)].join(",");
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${name}`];
  execFileSync("openssl", [...request, "-addext", `subjectAltName=${names}`, "-keyout", keyFile, "-out", certFile], {
    stdio: "ignore",
  });
  return { certFile, keyFile, der: readFileSync(certFile, "utf8").replace(/-----[^-]+-----|\s/g, "") };
}
