/** Texts in probes and hooks: what runs in the container, and what a server is asked. */
import { expect, vi } from "vitest";
import { type Places, type SeenProcess, source, type Within } from "./hostile-process";
import type { Inputs } from "./hostile-trial";

/** Answers on 127.0.0.1, and writes what it was asked, a line of JSON each: path, then the header X-Text, or the gRPC service. */
const server = `const fs = require("node:fs");
const note = (...asked) => fs.appendFileSync("${source("asked")}", JSON.stringify(asked) + "\\n");
const answer = ({ url, rawHeaders }, response) => {
  note(url, ...rawHeaders.filter((_, i) => i % 2 === 0 ? false : /^(x-text|-)/i.test(rawHeaders[i - 1])));
  response.end();
};
require("node:http").createServer(answer).listen(1080, "127.0.0.1");
const [key, cert] = ["key", "crt"].map((end) => fs.readFileSync("/srv/server." + end));
require("node:https").createServer({ key, cert }, answer).listen(1443, "127.0.0.1");
require("node:http2").createServer().on("stream", (stream) => {
  const chunks = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  stream.on("end", () => {
    note(Buffer.concat(chunks).subarray(7).toString());
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
  });
}).listen(1090, "127.0.0.1");`;

/** Starts what the probes ask. */
export async function startServer({ node, run }: SeenProcess): Promise<void> {
  await node.sh(`openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a -keyout /srv/server.key -out /srv/server.crt 2>/dev/null
cat > /srv/server.js <<'END'
${server}
END
setsid node /srv/server.js < /dev/null > /srv/server.log 2>&1 &`);
  await vi.waitFor(
    () => run("bash", "-c", "for port in 1080 1443 1090; do : < /dev/tcp/127.0.0.1/$port; done"),
    10_000,
  );
}

const probes = ["startupProbe", "readinessProbe", "livenessProbe"] as const;
const hooks = ["postStart", "preStop"] as const;

/** The probes and hooks of a container; `at` is where its fields stand. One text stands in all of them. */
export function actionPlaces(seen: SeenProcess, within: Within, at: string): Places {
  // Ends when it is told to; without a grace period there would be no time for its hook.
  const polite = ["perl", "-e", "$SIG{TERM} = sub { exit }; sleep 1000"];
  const everywhere = (action: object) => ({
    ...within({
      command: polite,
      ...Object.fromEntries(probes.map((probe) => [probe, { ...action, timeoutSeconds: 5 }])),
      ...("grpc" in action ? {} : { lifecycle: { postStart: action, preStop: action } }),
    }),
    terminationGracePeriodSeconds: 10,
    hostNamespaces: ["net"],
  });
  /** All that has been asked, once it is enough, must be what is wanted. */
  const look = async (times: number, wanted: readonly string[]) => {
    const lines = await vi.waitFor(async () => {
      const found = (await seen.run("cat", source("asked"))).trimEnd().split("\n");
      expect(found.length).toBeGreaterThanOrEqual(times);
      return found;
    }, 10_000);
    for (const line of lines) expect(JSON.parse(line)).toEqual(wanted);
  };
  /** The last of five is the hook before the end. */
  const looks = (times: number, wanted: (inputs: Inputs) => readonly string[]) => ({
    look: (inputs: Inputs) => look(times === 5 ? 4 : times, wanted(inputs)),
    lookAfter: async (inputs: Inputs) => {
      await look(times, wanted(inputs));
      await seen.run("rm", source("asked"));
    },
  });

  const say = `open my $asked, ">>", "${source("asked")}"; printf $asked qq(["%s"]\\n), unpack("H*", join("\\0", @ARGV))`;
  const exec = (text: string) => everywhere({ exec: { command: ["perl", "-e", say, "--", text] } });
  const http = (path: string, name: string, value: string) =>
    everywhere({ httpGet: { port: 1080, path, httpHeaders: [{ name, value }] } });
  /** What curl asks for; the one probe does for all of them. */
  const https = (path: string, name: string, value: string) => {
    const httpGet = { scheme: "HTTPS", port: 1443, path, httpHeaders: [{ name, value }] };
    return { ...within({ startupProbe: { httpGet, timeoutSeconds: 5 } }), hostNamespaces: ["net"] };
  };
  const requestOf = (inputs: Inputs) => seen.container(inputs).startupProbe?.httpGet;
  const requested = (inputs: Inputs): string[] => {
    const { path = "", httpHeaders: [{ value = "" } = {}] = [] } = requestOf(inputs) ?? {};
    // As in Kubernetes, what follows a # is no part of a request, and no blanks surround a header's value.
    return [
      path
        .replace(/^(?!\/)/, "/")
        .replace(/#.*/, "")
        .replace(/[^!-~]+/g, encodeURIComponent),
      latin1(value.trim()),
    ];
  };
  const first = {
    exec: `${at}startupProbe.exec.command[0]`,
    path: `${at}startupProbe.httpGet.path`,
    name: `${at}startupProbe.httpGet.httpHeaders[0].name`,
    service: `${at}startupProbe.grpc.service`,
  };
  const port = (action: string, own: object) => within({ [action]: { httpGet: { port: 1, ...own } } });
  const hookPort = (hook: string, own: object) => within({ lifecycle: { [hook]: { httpGet: { port: 1, ...own } } } });
  const others = [
    ...probes.map((probe) => [probe, (own: object) => port(probe, own)] as const),
    ...hooks.map((hook) => [`lifecycle.${hook}`, (own: object) => hookPort(hook, own)] as const),
  ];
  return {
    ...Object.fromEntries(
      others.flatMap(([action, inputs]) => [
        [`${action}.exec.command[0]`, { with: first.exec }],
        [`${action}.httpGet.path`, { inputs: inputs({}), with: first.path }],
        [
          `${action}.httpGet.httpHeaders[0].value`,
          { inputs: inputs({ httpHeaders: [{ name: "a" }] }), with: first.path },
        ],
        [
          `${action}.httpGet.httpHeaders[0].name`,
          { inputs: inputs({ httpHeaders: [{ value: "a" }] }), with: first.name },
        ],
      ]),
    ),
    ...Object.fromEntries(
      probes.map((probe) => [
        `${probe}.grpc.service`,
        { inputs: within({ [probe]: { grpc: { port: 1 } } }), with: first.service },
      ]),
    ),
    "startupProbe.exec.command[0]": {
      given: exec,
      ...looks(5, (inputs) => [
        Buffer.from(seen.container(inputs).startupProbe?.exec?.command.at(-1) ?? "").toString("hex"),
      ]),
    },
    "startupProbe.httpGet.path": [
      { inputs: port("startupProbe", {}), given: (text) => http(text, "X-Text", text), ...looks(5, requested) },
      { given: (text) => https(text, "X-Text", text), ...looks(1, requested) },
    ],
    "startupProbe.httpGet.httpHeaders[0].name": [
      {
        inputs: port("startupProbe", { httpHeaders: [{ value: "a" }] }),
        given: (text) => http("/", text, "value"),
        ...looks(5, () => ["/", "value"]),
      },
      { given: (text) => https("/", text, "value"), ...looks(1, () => ["/", "value"]) },
    ],
    "startupProbe.grpc.service": {
      inputs: within({ startupProbe: { grpc: { port: 1 } } }),
      given: (text) => everywhere({ grpc: { port: 1090, service: text } }),
      ...looks(3, (inputs) => [seen.container(inputs).startupProbe?.grpc?.service ?? ""]),
    },
  };
}

/** A header's bytes, as Node.js shows them. */
function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}
