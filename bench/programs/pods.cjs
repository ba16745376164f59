// As many pods as BENCH_PODS says, on one node. Plain JavaScript: nothing is type-checked on the way.
const { Node, Pod } = require("barepod");
const pulumi = require("@pulumi/pulumi");

const { privateKey, ...connection } = JSON.parse(process.env.BENCH_CONNECTION);
const node = new Node("bench", {
  connection: privateKey === undefined ? connection : { ...connection, privateKey: pulumi.secret(privateKey) },
});
for (let index = 0; index < Number(process.env.BENCH_PODS); index += 1) {
  new Pod(`pod-${index}`, {
    on: node,
    spec: {
      containers: [{ name: "main", image: "host:sleep", command: ["sleep", "10000"] }],
      terminationGracePeriodSeconds: 0,
    },
  });
}
