/** Fields whose effect, and what is without them, another test shows; and those that can only say what happens anyway. */

/** A test on a node: its file below test/, and its title. */
export interface Reference {
  readonly file: string;
  readonly title: string;
  /** The words by which the test gives the field, where they are not the field's own name. */
  readonly words?: string;
}

const at = (file: string, title: string, words?: string): Reference => ({ file, title, ...(words && { words }) });
const held = at("programs/pod-security.test.ts", "a Localhost profile is the node's");
/** No sandbox node has AppArmor. */
const confined = at(
  "node/vm/apparmor.test.ts",
  "confines what asks for a profile, its probes too, and nothing else",
  "appArmorProfile: localhost",
);
const ends = at(
  "node/probes.test.ts",
  "preStop runs before TERM, within the grace period; stopSignal is what is sent then",
);
const signed = at(
  "programs/pod-volumes.test.ts",
  "hold tokens that the node's key has signed, and renews",
  "declareTokens",
);
const reached = "are reached by a port of the node: from outside, from the node and from themselves";
const ports = [
  at("programs/pod-network.test.ts", reached, "8080"),
  // The control: nothing answers before, nor once the rules are gone.
  at("node/host-ports.test.ts", "lead to the namespace on every way, over TCP and UDP, and nowhere once they are gone"),
];
const port = "start their init containers and sidecars in order, and are ready when their probes say so";

/** By path. Of a sidecar the same fields are the same code: see the test "a sidecar is made as a container is". */
export const elsewhere: Readonly<Record<string, readonly Reference[]>> = {
  "spec.activeDeadlineSeconds": [
    at("node/init.test.ts", "a deadline ends all of it, as a failure; without one it runs on"),
  ],
  "spec.containers[].imagePullPolicy": [
    at(
      "programs/images.test.ts",
      "replaces what a tag stands for with Always, and only then; a registry that is silent changes nothing",
    ),
  ],
  "spec.imagePullSecrets[].name": [
    at("programs/images.test.ts", "logs in with the Secrets that a pod names, in the preview and on the node"),
  ],
  "spec.containers[].lifecycle.preStop.sleep.seconds": [ends],
  "spec.containers[].lifecycle.stopSignal": [ends],
  "spec.containers[].ports[].containerPort": ports,
  "spec.containers[].ports[].hostPort": ports,
  "spec.containers[].ports[].hostIP": [
    at("node/host-ports.test.ts", "are for one address of the node with hostIP, and change in place"),
  ],
  "spec.containers[].ports[].protocol": [ports[1] as Reference],
  "spec.containers[].ports[].name": [at("programs/pod.test.ts", port, "http")],
  "spec.containers[].securityContext.runAsNonRoot": [at("node/security.test.ts", "runAsNonRoot lets no root start")],
  "spec.securityContext.runAsNonRoot": [at("node/security.test.ts", "runAsNonRoot lets no root start")],
  "spec.containers[].securityContext.seccompProfile.localhostProfile": [
    at("node/security.test.ts", "Localhost loads the profile that lies on the node"),
  ],
  "spec.securityContext.seccompProfile.localhostProfile": [held],
  "spec.containers[].securityContext.appArmorProfile.type": [confined],
  "spec.containers[].securityContext.appArmorProfile.localhostProfile": [confined],
  "spec.securityContext.appArmorProfile.type": [confined],
  "spec.securityContext.appArmorProfile.localhostProfile": [confined],
  "spec.securityContext.supplementalGroupsPolicy": [
    at(
      "node/security.test.ts",
      "a user has the groups of its root file system, those given, and with Strict only those",
    ),
  ],
  "spec.containers[].terminationMessagePolicy": [
    at("node/init.test.ts", "last words are read when a container ends, and its log where there are none"),
  ],
  "spec.initContainers[].restartPolicy": [
    at(
      "node/init.test.ts",
      "that restart always are sidecars: started in order once the one before has come up, ended last and backwards",
      "sidecar",
    ),
    at("node/init.test.ts", "run one after the other, each to its end, before the others start", "init"),
  ],
  "spec.restartPolicy": [
    at("node/process.test.ts", "Always starts again at once, then waits with CrashLoopBackOff"),
    at("node/process.test.ts", "OnFailure starts a failed program again, and leaves a completed one alone"),
    at("node/init.test.ts", "that fail under the policy Never make the pod Failed"),
  ],
  "spec.terminationGracePeriodSeconds": [
    at("node/process.test.ts", "takes the whole grace period from a first process without a handler, then kills all"),
    at("node/process.test.ts", "is TERM to each first process, and waits for the last"),
  ],
  "spec.volumes[].projected.sources[].serviceAccountToken.audience": [signed],
  "spec.volumes[].projected.sources[].serviceAccountToken.expirationSeconds": [signed],
  "spec.volumes[].projected.sources[].serviceAccountToken.path": [signed],
};

/** Fields of which every value that is taken states what happens anyway, and why; all others are refused. */
export const neutral: Readonly<Record<string, string>> = {
  apiVersion: "there is one",
  kind: "a Pod is one",
  "spec.containers[].env[].valueFrom.fieldRef.apiVersion": "there is one",
  "spec.volumes[].downwardAPI.items[].fieldRef.apiVersion": "there is one",
  "spec.volumes[].projected.sources[].downwardAPI.items[].fieldRef.apiVersion": "there is one",
  "spec.containers[].livenessProbe.successThreshold": "1 is all that Kubernetes takes",
  "spec.containers[].startupProbe.successThreshold": "1 is all that Kubernetes takes",
  "spec.containers[].readinessProbe.terminationGracePeriodSeconds": "Kubernetes takes none",
  "spec.containers[].restartPolicy": "Kubernetes takes none but of init containers",
  "spec.containers[].resizePolicy[].resourceName": "resources change in place",
  "spec.containers[].resizePolicy[].restartPolicy": "resources change in place",
  "spec.securityContext.fsGroupChangePolicy": "volumes are made with the pod",
  "spec.enableServiceLinks": "there are no Services",
  "spec.nodeSelector": "the node is named",
  "spec.os.name": "nodes are Linux machines",
  "spec.tolerations[].effect": "nodes have no taints",
  "spec.tolerations[].key": "nodes have no taints",
  "spec.tolerations[].operator": "nodes have no taints",
  "spec.tolerations[].tolerationSeconds": "nodes have no taints",
  "spec.tolerations[].value": "nodes have no taints",
};
