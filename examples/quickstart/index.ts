// Three pods on one Linux node: a web server, and the two pods of the chapter that this product grew from.
// The node comes from the stack's configuration; `npm run demo` makes one and fills it in.
import * as pulumi from "@pulumi/pulumi";
import { type ConnectionArgs, Node, Pod } from "barepod";

const node = new Node("demo", { connection: new pulumi.Config().requireObject<ConnectionArgs>("node") });

const page = "Hello from a pod: no kubelet, no container runtime, no agent.";
const web = new Pod("web", {
  on: node,
  metadata: { labels: { app: "web" } },
  spec: {
    containers: [
      {
        name: "web",
        image: "host:busybox", // a root file system made of the node's own programs: nothing is downloaded
        command: ["busybox", "sh", "-c"],
        args: [`mkdir -p /www && echo '${page}' > /www/index.html && exec busybox httpd -f -vv -p 80 -h /www`],
        ports: [{ containerPort: 80 }],
      },
    ],
    // PID 1 of a container ignores TERM unless it handles it, so that ending it always takes the whole grace period.
    terminationGracePeriodSeconds: 1,
  },
});

const core = new Pod("core-k8s", {
  on: node,
  metadata: {
    labels: { role: "just-an-example", app: "my-example-app", organization: "friends-of-manning", creator: "jay" },
  },
  spec: {
    containers: [
      {
        name: "any-old-name-will-do",
        image: "host:sleep",
        command: ["sleep", "10000"],
        ports: [{ name: "webapp-port", containerPort: 80, protocol: "TCP" }],
      },
    ],
    terminationGracePeriodSeconds: 1,
  },
});

const greedy = new Pod("core-k8s-greedy", {
  on: node,
  spec: {
    containers: [
      {
        name: "any-old-name-will-do",
        image: "host:sleep",
        command: ["sleep", "10000"],
        resources: { limits: { memory: "200Mi" }, requests: { memory: "100Mi" } },
      },
    ],
    terminationGracePeriodSeconds: 1,
  },
});

export const podIP = web.status.podIP;
export const pods = pulumi.all({ web: web.status, "core-k8s": core.status, "core-k8s-greedy": greedy.status });
