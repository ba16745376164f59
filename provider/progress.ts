/**
 * Messages on a resource's own line of `pulumi up`. The engine's address is the provider process's first argument;
 * where it is missing, or anything else fails, progress is silent: it never fails an operation.
 */
import { createRequire } from "node:module";

/** Shows messages about one resource. */
export interface Progress {
  /** A live status on the resource's line, replaced by the next one. */
  status(message: string): void;
  /** A lasting warning in the diagnostics. */
  warn(message: string): void;
}

/** The part of Pulumi's engine client that is used here. */
interface EngineClient {
  log(request: unknown, callback: (error: Error | null) => void): void;
  close(): void;
}
interface EngineModules {
  client: EngineClient;
  messages: {
    LogRequest: new () => Record<string, (value: unknown) => void>;
    LogSeverity: { INFO: number; WARNING: number };
  };
}

let engine: EngineModules | undefined | "absent";

/** The progress of the resource with this URN; silent without one. */
export function progressFor(urn: string | undefined): Progress {
  return {
    status: (message) => send(urn, message, true),
    warn: (message) => send(urn, message, false),
  };
}

function send(urn: string | undefined, message: string, ephemeral: boolean): void {
  if (urn === undefined) return;
  try {
    engine ??= connect();
    if (engine === "absent") return;
    const { LogRequest, LogSeverity } = engine.messages;
    const request = new LogRequest();
    request["setUrn"]?.(urn);
    request["setMessage"]?.(message);
    request["setEphemeral"]?.(ephemeral);
    request["setSeverity"]?.(ephemeral ? LogSeverity.INFO : LogSeverity.WARNING);
    engine.client.log(request, () => {});
  } catch {
    // A message that cannot be shown must not fail what it is about.
    engine = "absent";
  }
}

function connect(): EngineModules | "absent" {
  const address = process.argv[2];
  if (address === undefined || !/^[^\s/]+:\d+$/.test(address)) return "absent";
  // grpc-js must be Pulumi's own copy: credentials of a second copy are refused.
  const fromPulumi = createRequire(require.resolve("@pulumi/pulumi/package.json"));
  const grpc = fromPulumi("@grpc/grpc-js") as { credentials: { createInsecure(): unknown } };
  const { EngineClient } = fromPulumi("./proto/engine_grpc_pb.js") as {
    EngineClient: new (address: string, credentials: unknown) => EngineClient;
  };
  const messages = fromPulumi("./proto/engine_pb.js") as EngineModules["messages"];
  return { client: new EngineClient(address, grpc.credentials.createInsecure()), messages };
}
