// As many resources as the pods' program registers, below as many components, that do nothing. They register as Barepod's
// do, without the closure serialisation of `pulumi.dynamic.Resource`, which would only raise the floor.
const pulumi = require("@pulumi/pulumi");

const provider = `exports.handler = () => ({
  check: async (olds, inputs) => ({ inputs, failures: [] }),
  diff: async () => ({}),
  create: async (outs) => ({ id: "noop", outs }),
  read: async (id, props) => ({ id, props }),
  update: async (id, olds, outs) => ({ outs }),
  delete: async () => {},
});`;

class Noop extends pulumi.CustomResource {
  constructor(name, parent) {
    super("pulumi-nodejs:dynamic:Noop", name, { __provider: provider }, { parent });
  }
}

/** What a pod of one container consists of: Namespace, VethPair, two CGroups, RootFs, Process. */
const parts = ["namespace", "eth0", "cgroup", "main-cgroup", "main-rootfs", "process"];

new Noop("bench");
for (let index = 0; index < Number(process.env.BENCH_PODS); index += 1) {
  const pod = new pulumi.ComponentResource("bench:index:Noop", `pod-${index}`);
  for (const part of parts) new Noop(`pod-${index}-${part}`, pod);
}
