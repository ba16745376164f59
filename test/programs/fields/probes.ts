/** Probes and hooks: what arrives where they lead, and how their numbers count. */
import { atOnce, type FieldCase, idle, type Look, type Place, type PlainContainer, type PlainSpec } from "./case";

const kinds = ["startupProbe", "readinessProbe", "livenessProbe"] as const;
const fields = (kind: string, ...names: string[]) => names.map((name) => `spec.containers[].${kind}.${name}`);
const shell = (line: string) => ["busybox", "sh", "-c", line];
const record = (folder: string) => ({ name: "record", hostPath: { path: `/srv/fields/record/${folder}` } });
const recorded = [{ name: "record", mountPath: "/record" }];

/** What listens: it writes down who has asked, a line each. Ports from `base` on: HTTP, HTTPS, gRPC, and eight of plain TCP. */
export const server = `
const [base, file] = [Number(process.argv[2]), process.argv[3]];
const fs = require("node:fs"), http = require("node:http"), https = require("node:https"), http2 = require("node:http2"), net = require("node:net");
const note = (...words) => fs.appendFileSync(file, words.join(" ") + "\\n");
const answer = (scheme) => (request, response) => {
  note(scheme, request.url, request.headers["x-probe"] ?? "-");
  response.end();
};
http.createServer(answer("HTTP")).listen(base);
const tls = { key: fs.readFileSync("/fields/tls.key"), cert: fs.readFileSync("/fields/tls.crt") };
https.createServer(tls, answer("HTTPS")).listen(base + 1);
http2.createServer().on("stream", (stream) => {
  let body = Buffer.alloc(0);
  stream.on("data", (piece) => { body = Buffer.concat([body, piece]); });
  stream.on("end", () => {
    note("GRPC", body.subarray(7).toString());
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
  });
}).listen(base + 2);
for (let i = 3; i < 11; i++) net.createServer(() => note("TCP", i)).listen(base + i);
`;

function listener(place: Place, name: string, base: number): PlainContainer {
  return {
    name,
    image: `host:${place.node}`,
    command: [place.node, "/fields/server.js", String(base), `/record/${name}`],
    volumeMounts: [...recorded, { name: "fields", mountPath: "/fields", readOnly: true }],
  };
}
const programs = { name: "fields", hostPath: { path: "/srv/fields" } };

/** Answers at the node's own address. */
export const outsider = (place: Place): PlainSpec => ({
  ...atOnce,
  hostNetwork: true,
  volumes: [record("with"), programs],
  containers: [
    { ...listener(place, "outsider", 18_080), readinessProbe: { httpGet: { port: 18_080 }, periodSeconds: 1 } },
  ],
});

interface Action {
  /** Of its fields, below the probe's or hook's. */
  readonly names: readonly string[];
  /** What it does; `who` is told to the one that listens. */
  make(who: string, index: number): object;
  /** The file in which it is noted, and the line. */
  noted(who: string, index: number): readonly [file: string, line: string];
}

const actions = ({ host }: Place): Action[] => [
  {
    names: ["exec.command[]"],
    make: (who) => ({ exec: { command: shell(`echo exec ${who} >> /record/exec`) } }),
    noted: (who) => ["exec", `exec ${who}`],
  },
  {
    names: ["path", "port", "httpHeaders[].name", "httpHeaders[].value"].map((name) => `httpGet.${name}`),
    make: (who) => ({ httpGet: { port: "http", path: `/${who}`, httpHeaders: [{ name: "X-Probe", value: who }] } }),
    noted: (who) => ["server", `HTTP /${who} ${who}`],
  },
  {
    names: ["host", "scheme"].map((name) => `httpGet.${name}`),
    make: (who) => ({ httpGet: { host, port: 18_081, path: `/${who}`, scheme: "HTTPS" } }),
    noted: (who) => ["outsider", `HTTPS /${who} -`],
  },
  {
    names: ["tcpSocket.port"],
    make: (_who, index) => ({ tcpSocket: { port: 8083 + index } }),
    noted: (_who, index) => ["server", `TCP ${3 + index}`],
  },
  {
    names: ["tcpSocket.host"],
    make: (_who, index) => ({ tcpSocket: { host, port: 18_083 + index } }),
    noted: (_who, index) => ["outsider", `TCP ${3 + index}`],
  },
  {
    names: ["port", "service"].map((name) => `grpc.${name}`),
    make: (who) => ({ grpc: { port: 8082, service: who } }),
    noted: (who) => ["server", `GRPC ${who}`],
  },
];

/** The port by its name: the probes of a container know the names of its own ports. */
const http = { ports: [{ name: "http", containerPort: 8080 }] };
const never = { periodSeconds: 3600, timeoutSeconds: 60 };
const noted = (file: string, line: string) => `grep -x -m 1 '${line}' /record/${file} || echo none`;

/** Each container has a probe of each kind, and another action for each. */
function probed(place: Place): FieldCase {
  const all = actions(place);
  const action = (container: number, kind: number) => all[(container + 2 * kind) % all.length] as Action;
  const who = (container: number, kind: number) => `c${container}-${kinds[kind]}`;
  const make = (hasProbes: boolean): PlainSpec => ({
    ...atOnce,
    volumes: [record(hasProbes ? "with" : "without"), programs],
    initContainers: [
      {
        ...listener(place, "server", 8080),
        restartPolicy: "Always",
        startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
      },
    ],
    containers: all.map((_, i) => ({
      ...idle,
      name: `c${i}`,
      volumeMounts: recorded,
      ...http,
      ...(hasProbes &&
        Object.fromEntries(kinds.map((kind, k) => [kind, { ...action(i, k).make(who(i, k), k), ...never }]))),
    })),
  });
  return {
    name: "probed",
    spec: make(true),
    control: make(false),
    looks: all.flatMap((_, i) =>
      kinds.map((kind, k): Look => {
        const [file, line] = action(i, k).noted(who(i, k), k);
        return {
          fields: fields(kind, ...action(i, k).names),
          container: `c${i}`,
          inside: noted(file, line),
          sees: line,
          without: "none",
        };
      }),
    ),
  };
}

function hooked(place: Place): FieldCase {
  const ways = actions(place).slice(0, 3);
  const make = (hasHooks: boolean): PlainSpec => ({
    terminationGracePeriodSeconds: 60,
    volumes: [record(hasHooks ? "with" : "without"), programs],
    initContainers: [
      {
        ...listener(place, "server", 8080),
        restartPolicy: "Always",
        startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
      },
    ],
    containers: ways.map((way, i) => ({
      ...idle,
      name: `h${i}`,
      command: polite,
      volumeMounts: recorded,
      ...http,
      ...(hasHooks && {
        lifecycle: { postStart: way.make(`h${i}-postStart`, 0), preStop: way.make(`h${i}-preStop`, 0) },
      }),
    })),
  });
  return {
    name: "hooked",
    spec: make(true),
    control: make(false),
    looks: ways.flatMap((way, i): Look[] => {
      const [file, line] = way.noted(`h${i}-postStart`, 0);
      const [, last] = way.noted(`h${i}-preStop`, 0);
      const [begun, ended] = ["postStart", "preStop"].map((hook) => fields(`lifecycle.${hook}`, ...way.names));
      return [
        { fields: begun ?? [], container: `h${i}`, inside: noted(file, line), sees: line, without: "none" },
        {
          fields: ended ?? [],
          container: `h${i}`,
          outside: `grep -x -m 1 '${last}' /srv/fields/record/$SIDE/${file} || echo none`,
          after: true,
          sees: last,
          without: "none",
        },
      ];
    }),
  };
}

/** A number of a probe that changes what it does within the first seconds; the control has the usual one. */
interface Numbered {
  readonly kinds: readonly (typeof kinds)[number][];
  readonly number: string;
  readonly value: number;
  readonly probe: (kind: string) => { command: string; periodSeconds?: number; failureThreshold?: number };
  readonly look: (kind: string) => Pick<Look, "inside" | "outside" | "sees" | "without">;
}

const [startup, readiness, liveness] = kinds;
const most = 2 ** 31 - 1;
const restarts = 'cat "$DIR/restarts" 2>/dev/null || echo 0';
const ready = '[ -e "$DIR/ready" ] && echo ready || echo not';
const numbers: Numbered[] = [
  {
    kinds: [startup, readiness, liveness],
    number: "initialDelaySeconds",
    value: 3600,
    probe: (kind) => ({ command: `echo >> /tmp/${kind}`, periodSeconds: 1 }),
    look: (kind) => ({ inside: `[ -e /tmp/${kind} ] && echo probed || echo never`, sees: "never", without: "probed" }),
  },
  {
    kinds: [startup, readiness, liveness],
    number: "periodSeconds",
    value: 3600,
    // One that succeeds is the last of its kind.
    probe: (kind) => ({ command: `echo >> /tmp/${kind}; [ ${kind} != ${startup} ]`, failureThreshold: most }),
    look: (kind) => ({
      inside: `[ $(wc -l < /tmp/${kind}) -gt 1 ] && echo several || echo one`,
      sees: "one",
      without: "several",
    }),
  },
  {
    kinds: [startup, readiness, liveness],
    number: "timeoutSeconds",
    value: 600,
    probe: (kind) => ({ command: `sleep 6; echo >> /tmp/${kind}`, periodSeconds: 1, failureThreshold: most }),
    look: (kind) => ({ inside: `[ -e /tmp/${kind} ] && echo done || echo cut`, sees: "done", without: "cut" }),
  },
  {
    kinds: [startup, liveness],
    number: "failureThreshold",
    value: most,
    probe: () => ({ command: "false", periodSeconds: 1 }),
    look: () => ({ outside: restarts, sees: "0", without: /^[1-9]/ }),
  },
  {
    kinds: [readiness],
    number: "failureThreshold",
    value: most,
    probe: (kind) => ({ command: `echo >> /tmp/${kind}; [ $(wc -l < /tmp/${kind}) -lt 2 ]`, periodSeconds: 1 }),
    // Three more than the first, and it counts.
    look: (kind) => ({
      outside: `until [ "$(wc -l < "$ROOT/tmp/${kind}" 2>/dev/null || echo 0)" -gt 4 ]; do sleep 0.1; done; ${ready}`,
      sees: "ready",
      without: "not",
    }),
  },
  {
    kinds: [readiness],
    number: "successThreshold",
    value: most,
    probe: () => ({ command: "true", periodSeconds: 1 }),
    look: () => ({ outside: ready, sees: "not", without: "ready" }),
  },
  {
    kinds: [startup, liveness],
    number: "terminationGracePeriodSeconds",
    value: 1,
    probe: () => ({ command: "false", periodSeconds: 1, failureThreshold: 1 }),
    look: () => ({ outside: restarts, sees: /^[1-9]/, without: "0" }),
  },
];

const polite = shell("trap 'exit 0' TERM; while :; do sleep 0.1; done");
/** Ignores TERM as long as somebody holds it. */
const held = shell('trap asked=1 TERM; until [ -n "$asked" ] && [ ! -e /fields/hold ]; do sleep 0.1; done');

/** Is not ready before its hook has ended. */
const waiting = (hasHook: boolean) => ({
  ...idle,
  name: "waiting",
  command: polite,
  ...(hasHook && { lifecycle: { postStart: { sleep: { seconds: 3600 } } } }),
});

function counted(): FieldCase {
  const each = numbers.flatMap((numbered) => numbered.kinds.map((kind) => ({ ...numbered, kind })));
  const name = ({ kind, number }: { kind: string; number: string }) => `${kind}-${number}`.toLowerCase();
  const make = (hasNumber: boolean): PlainSpec => ({
    terminationGracePeriodSeconds: 3600,
    volumes: [programs],
    containers: [
      waiting(hasNumber),
      ...each.map((one) => {
        const { command, ...more } = one.probe(one.kind);
        const timeout = one.number === "timeoutSeconds" ? {} : { timeoutSeconds: 60 };
        const probe = {
          exec: { command: shell(command) },
          ...timeout,
          ...more,
          ...(hasNumber && { [one.number]: one.value }),
        };
        return {
          ...idle,
          name: name(one),
          command: one.number === "terminationGracePeriodSeconds" ? held : polite,
          volumeMounts: [{ name: "fields", mountPath: "/fields", readOnly: true }],
          [one.kind]: probe,
        };
      }),
    ],
  });
  return {
    name: "counted",
    metadata: { annotations: { "pulumi.com/skipAwait": "true" } },
    spec: make(true),
    control: make(false),
    looks: [
      {
        fields: fields("lifecycle.postStart", "sleep.seconds"),
        container: "waiting",
        outside: ready,
        sees: "not",
        without: "ready",
      },
      ...each.map((one) => ({ fields: fields(one.kind, one.number), container: name(one), ...one.look(one.kind) })),
    ],
  };
}

export const probeCases = (place: Place): FieldCase[] => [probed(place), hooked(place), counted()];
