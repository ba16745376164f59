/** The signals of Linux by their names, on the architectures that there is a launcher for (signal(7)). */

const standard =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
const aliases: Readonly<Record<string, number>> = { SIGIOT: 6, SIGCLD: 17, SIGPOLL: 29 };
const realTime = { SIGRTMIN: 34, SIGRTMAX: 64 } as const;

const numbers: ReadonlyMap<string, number> = new Map([
  ...standard.split(" ").map((name, index): [string, number] => [`SIG${name}`, index + 1]),
  ...Object.entries(aliases),
  ...Object.entries(realTime),
  ...Array.from({ length: 15 }, (_, index): [string, number] => [
    `SIGRTMIN+${index + 1}`,
    realTime.SIGRTMIN + index + 1,
  ]),
  ...Array.from({ length: 14 }, (_, index): [string, number] => [
    `SIGRTMAX-${index + 1}`,
    realTime.SIGRTMAX - index - 1,
  ]),
]);

/** The number of a signal as Kubernetes names it: `SIGTERM`, `SIGRTMIN+3`. */
export function signalNumber(name: string): number | undefined {
  return numbers.get(name);
}

/** The name of a standard signal. */
export function signalName(number: number): string | undefined {
  const name = standard.split(" ")[number - 1];
  return name === undefined ? undefined : `SIG${name}`;
}
