// Kubernetes manifests as they are: pods.yaml is what `kubectl apply -f` takes.
import * as pulumi from "@pulumi/pulumi";
import { type ConnectionArgs, Node, yaml } from "barepod";

const node = new Node("edge", { connection: new pulumi.Config().requireObject<ConnectionArgs>("node") });

const app = new yaml.ConfigFile("app", { on: node, file: "pods.yaml" });

export const podIP = app.getResource("v1/Pod", "shop", "web").status.podIP;
