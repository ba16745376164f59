// Loaded into Pulumi's provider process by NODE_OPTIONS: notes what goes over SSH, and when, in BENCH_TRACE_FILE.
const { appendFileSync } = require("node:fs");
const Module = require("node:module");

const load = Module._load;
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest);
  if (request === "./session" && loaded.NodeSession !== undefined && !patched) patch(loaded.NodeSession.prototype);
  return loaded;
};

let patched = false;

function patch(session) {
  patched = true;
  const { connect, run } = session;
  let dials = 0;
  session.connect = async function (...args) {
    const began = Date.now();
    const first = dials++ === 0;
    await connect.apply(this, args);
    if (first) note({ kind: "dial", began, ended: Date.now() });
  };
  session.run = async function (request) {
    const began = Date.now();
    const reply = await run.call(this, request);
    const ended = Date.now();
    const started = /^running\t\d+\t(\S+)$/m.exec(reply.stdout.toString("latin1"))?.[1];
    note({
      kind: "frame",
      label: request.label,
      lock: request.lock === true,
      began,
      ended,
      nodeMs: reply.durationMs,
      sentBytes: request.script.length,
      // From the container's first instruction until the frame has answered.
      ...(started === undefined ? {} : { settleMs: ended - Date.parse(started) }),
    });
    return reply;
  };
}

function note(event) {
  appendFileSync(process.env.BENCH_TRACE_FILE, `${JSON.stringify(event)}\n`);
}
