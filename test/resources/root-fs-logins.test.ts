/** The class, under Pulumi's mocks: logins are secrets, whether or not they were given as such. */
import * as pulumi from "@pulumi/pulumi";
import { expect, test, vi } from "vitest";

const registered = new Map<string, Record<string, unknown>>();
void pulumi.runtime.setMocks({
  newResource: ({ name, inputs }) => {
    registered.set(name, inputs);
    return { id: `${name}-id`, state: { ...inputs, nonce: "1234" } };
  },
  call: ({ inputs }) => inputs,
});

test("a RootFs says that the logins for its image are secret", async () => {
  const { Node, RootFs } = await import("barepod");
  const node = new Node("edge", { connection: "root@192.0.2.10" });
  new RootFs("pulled", { node, path: "/srv/a", image: "registry.example/a:1", pullSecrets: ['{"auths":{}}'] });
  new RootFs("open", { node, path: "/srv/b", image: "registry.example/b:1" });
  await vi.waitFor(() => expect([...registered.keys()]).toEqual(expect.arrayContaining(["pulled", "open"])));
  expect(registered.get("pulled")).toMatchObject({ secrets: ["pullSecrets"] });
  expect(registered.get("open")?.["secrets"]).toBeUndefined();
});
