import { expect, test } from "vitest";
import { namespaceAt } from "../../provider/facts/namespace";

const { parse } = namespaceAt("/run/barepod/namespaces/box", ["net", "uts"], true);

test.each([
  ["all of them", "ident net=4026532512,uts=4026532510\nhostname box", { types: ["net", "uts"], hostname: "box" }],
  ["without a host name asked for", "ident ipc=4026532511", { types: ["ipc"] }],
  ["one of two", "partial uts=4026532510\nhostname box.example", { types: ["uts"], hostname: "box.example" }],
])("%s", (_name, text, state) => {
  expect(parse(text)).toEqual(state);
});
