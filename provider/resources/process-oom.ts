/**
 * How soon the kernel ends a container's processes when the node runs out of memory (proc_pid_oom_score_adj(5)). The share
 * of the node's memory that a container asks for is known on the node only, so the number is computed there.
 *
 * DIR/NAME/oom: what is wanted, a TAB, and the number that the container gets. It counts from the next start on.
 */
import { type Container, containersOf, type ProcessInputs } from "./process-args";

/** What is wanted of a container, as one word: a number, `share=BYTES`, or nothing. */
export function oomOf({ oomScoreAdj, memoryRequest }: Container): string {
  if (typeof oomScoreAdj === "number") return String(oomScoreAdj);
  return typeof memoryRequest === "number" ? `share=${memoryRequest}` : "";
}

/**
 * Whether a pod's containers are of another QoS class than before, which a running pod keeps in Kubernetes: the numbers of
 * Guaranteed and BestEffort are fixed, and what a Burstable one asks for may change.
 */
export function changesClass(olds: ProcessInputs, news: ProcessInputs): boolean {
  if ((olds.pod ?? undefined) === undefined) return false;
  const classes = (inputs: ProcessInputs) =>
    containersOf(inputs).map((each) => oomOf(each).replace(/^share=.*/, "share"));
  const before = classes(olds);
  return classes(news).some((each, i) => each !== "" && (before[i] ?? "") !== "" && each !== before[i]);
}

/** The same as inputs. */
export function oomInputs(wanted: string): Pick<Container, "oomScoreAdj" | "memoryRequest"> {
  if (wanted === "") return {};
  return wanted.startsWith("share=")
    ? { memoryRequest: Number(wanted.slice("share=".length)) }
    : { oomScoreAdj: Number(wanted) };
}

/**
 * Shell text that sets `score` from $1, as a kubelet computes it (pkg/kubelet/qos/policy.go): 1000 less the thousandths of
 * the node's memory that are asked for, but neither what a Guaranteed nor what a BestEffort container gets. A negative one
 * needs a capability that a login in a container lacks: then it stays as it is.
 */
export const findScore = `find_score() {
score=$1
case $1 in share=*)
while read -r key kb _; do [ "$key" != MemTotal: ] || break; done < /proc/meminfo
score=$((1000 - 1000 * \${1#share=} / (kb * 1024)))
[ "$score" -ge 3 ] || score=3
[ "$score" -lt 1000 ] || score=999 ;;
esac
case $score in -*)
( echo "$score" > /proc/self/oom_score_adj ) 2>/dev/null || read -r score < /proc/self/oom_score_adj ;;
esac
}`;

/** What the user should know of numbers that the node does not permit. */
export function oomWarnings(
  seen: Readonly<Record<string, { readonly wanted: string; readonly score: number }>>,
): string[] {
  return Object.entries(seen).flatMap(([name, { wanted, score }]) =>
    wanted.startsWith("-") && Number(wanted) !== score
      ? [
          `the node does not permit oom_score_adj ${wanted} (it needs CAP_SYS_RESOURCE): container ${name} has ${score}, and is ended sooner when memory runs out`,
        ]
      : [],
  );
}
