/** What of a Process changes while its containers run, as the node has it. Pure. */
import type { ProcessState } from "../facts/process";
import { type Container, containersOf, type ProcessInputs } from "./process-args";
import { oomInputs, oomOf } from "./process-oom";
import { volumesDigest } from "./process-projections";
import { registrationDigest } from "./process-registration";

/** What of the keeper's settings the node has otherwise; they change in place. */
export function settings(inputs: ProcessInputs, seen: ProcessState): Partial<ProcessInputs> {
  const { restartPolicy = "Always", terminationGracePeriodSeconds = 30, containers } = inputs;
  const isSameDeadline = seen.deadline === (inputs.activeDeadlineSeconds ?? undefined);
  const isMoved = (each: Container): boolean =>
    seen.cgroups[each.name ?? ""] !== (each.cgroup ?? undefined) ||
    (seen.oom[each.name ?? ""]?.wanted ?? "") !== oomOf(each);
  const found = (name: string) => ({
    cgroup: seen.cgroups[name] ?? "",
    ...oomInputs(seen.oom[name]?.wanted ?? ""),
  });
  const moved = containersOf(inputs).some(isMoved);
  const groups = (each: Container): Container =>
    isMoved(each)
      ? (({ oomScoreAdj: _, memoryRequest: __, ...rest }) => ({ ...rest, ...found(each.name ?? "") }))(each)
      : each;
  return {
    // What the volumes show instead is not brought into state: it may be secret.
    ...(seen.volumes === volumesDigest(inputs) ? {} : { projections: [] }),
    ...(seen.registration === registrationDigest(inputs) ? {} : { labels: {} }),
    ...(seen.restartPolicy === restartPolicy ? {} : { restartPolicy: seen.restartPolicy }),
    ...(seen.gracePeriod === terminationGracePeriodSeconds ? {} : { terminationGracePeriodSeconds: seen.gracePeriod }),
    ...(isSameDeadline ? {} : { activeDeadlineSeconds: seen.deadline }),
    ...(!moved ? {} : containers === undefined ? found("main") : { containers: containers.map(groups) }),
  };
}
