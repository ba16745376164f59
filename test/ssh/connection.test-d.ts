/** Checked by `npm run typecheck`: one connection object serves `@pulumi/command` and us. */
import type { types } from "@pulumi/command";
import type { Output } from "@pulumi/pulumi";
import type { ConnectionArgs, NodeArgs } from "../../provider/index";

type Theirs = types.input.remote.ConnectionArgs;

// What is theirs, with plain values, is taken by a Node.
declare const plain: {
  [K in keyof Theirs]: Theirs[K] extends infer T ? Exclude<T, Promise<unknown> | Output<unknown>> : never;
};
export const host: Pick<ConnectionArgs, "host" | "port" | "user" | "password" | "privateKey"> = {
  host: plain.host,
  ...(plain.port === undefined ? {} : { port: plain.port }),
  ...(plain.user === undefined ? {} : { user: plain.user }),
  ...(plain.password === undefined ? {} : { password: plain.password }),
  ...(plain.privateKey === undefined ? {} : { privateKey: plain.privateKey }),
};

// Every field of theirs exists here, under the same name.
type Missing = Exclude<keyof Theirs, keyof ConnectionArgs>;
export const none: [Missing] extends [never] ? true : Missing = true;

// What both know can be handed to both.
declare const shared: Omit<ConnectionArgs, "privateKeyPath" | "sudo" | "insecureIgnoreHostKey" | "proxy">;
export const forTheirs: Theirs = shared;
export const forOurs: NodeArgs["connection"] = shared;
