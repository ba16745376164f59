/**
 * What a pod says of the nodes that it may run on. Here `on` names the one node: what cannot keep a pod from it is accepted,
 * what could is refused, because nobody looks whether it holds.
 */
import type { Problem } from "../fields";

/** As the walk leaves it. */
export interface UsableScheduling {
  nodeSelector?: Map<string, string>;
}

/** Labels that every node here has. */
const LABELS: Readonly<Record<string, string>> = { "kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux" };

export function checkScheduling(spec: UsableScheduling, problems: Problem[]): void {
  for (const [label, value] of spec.nodeSelector ?? []) {
    if (LABELS[label] === value) continue;
    const path = `spec.nodeSelector[${JSON.stringify(label)}]`;
    problems.push({
      path,
      reason: "is not supported: `on` names the node; only kubernetes.io/os: linux holds of every node",
    });
  }
}
