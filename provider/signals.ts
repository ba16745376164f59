/** Linux's signals, as images name them. */

const names =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );
/** The first of the real-time signals that programs get: libc keeps two for itself. */
const FIRST = 34;
const LAST = 64;

/**
 * The number of a signal: `SIGTERM`, `TERM`, `SIGRTMIN+3` or `15`.
 *
 * @throws Error that names it.
 */
export function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, "");
  const [, base, sign, offset = "0"] = /^(RTMIN|RTMAX)(?:([+-])(\d+))?$/.exec(name) ?? [];
  const far = sign === "-" ? -Number(offset) : Number(offset);
  const number = /^\d+$/.test(name)
    ? Number(name)
    : base !== undefined
      ? (base === "RTMIN" ? FIRST : LAST) + far
      : names.indexOf(name) + 1;
  if (number < 1 || number > LAST) throw new Error(`there is no signal ${JSON.stringify(text)}`);
  return number;
}
