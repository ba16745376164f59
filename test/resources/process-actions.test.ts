import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { render } from "../../provider/command/command";
import { actionFiles, findTools } from "../../provider/resources/process-actions";
import type { Container } from "../../provider/resources/process-args";

/** What a shell makes of a file: the settings, then the words. */
function evaluated(text: string, ...names: string[]): string[] {
  const script = `${text}for name in ${names.join(" ")}; do eval "printf '%s\\0' \\"\\$$name\\""; done; [ $# -eq 0 ] || printf '%s\\0' "$@"`;
  return execFileSync("sh", ["-c", script, "sh", "rest"], { encoding: "utf8" }).split("\0").slice(0, -1);
}
const file = (container: Container, name: string) => new Map(actionFiles(container)).get(name) ?? "";

test("a probe is a shell text that says exactly what was given", () => {
  const odd = "a'b $(id) `id` \\ \"\n\t*";
  const text = file(
    { livenessProbe: { exec: { command: ["echo", odd, ""] }, periodSeconds: 5, terminationGracePeriodSeconds: 9 } },
    "liveness",
  );
  expect(evaluated(text, "initial", "period", "timeout", "successes", "failures", "seconds", "action")).toEqual([
    ..."0 5 1 1 3 9 exec".split(" "),
    "echo",
    odd,
    "",
  ]);
});

test("a request's path is encoded, and its headers are words", () => {
  const httpGet = { port: 80, path: "a b/ü?x=%20", httpHeaders: [{ name: "X", value: "it's" }] };
  expect(evaluated(file({ readinessProbe: { httpGet } }, "readiness"), "action", "target", "port", "path")).toEqual([
    "http",
    "",
    "80",
    "/a%20b/%C3%BC?x=%20",
    "X: it's",
  ]);
  expect(
    evaluated(file({ lifecycle: { preStop: { httpGet: { port: 1, scheme: "HTTPS" } } } }, "preStop"), "action", "path"),
  ).toEqual(["https", "/"]);
});

test("a gRPC request is a frame with the service's name", () => {
  const [body = ""] = evaluated(file({ startupProbe: { grpc: { port: 1, service: "ab" } } }, "startup"), "body");
  expect([...execFileSync("sh", ["-c", 'printf "$1"', "-", body])]).toEqual([0, 0, 0, 0, 4, 0x0a, 2, 0x61, 0x62]);
  const [empty = ""] = evaluated(file({ startupProbe: { grpc: { port: 1 } } }, "startup"), "body");
  expect([...execFileSync("sh", ["-c", 'printf "$1"', "-", empty])]).toEqual([0, 0, 0, 0, 0]);
});

test("only what needs a tool looks for it", () => {
  const look = (container: Container) => findTools([container]).map((command) => render(command, { reveal: false }));
  expect(look({ livenessProbe: { httpGet: { port: 1 } }, lifecycle: { preStop: { sleep: { seconds: 1 } } } })).toEqual(
    [],
  );
  expect(look({ lifecycle: { postStart: { httpGet: { port: 1, scheme: "HTTPS" } } } })).toEqual([
    "look for what the probes need: HTTPS",
  ]);
  expect(look({ livenessProbe: { grpc: { port: 1 } } })).toEqual(["look for what the probes need: HTTP2"]);
});
