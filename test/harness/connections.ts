/** Asking a port many times, from a node or from inside a pod: by the answers of servers that say who they are. */

/** Shell text that prints what the port answers, or `refused`, or `silent` when nothing comes within two seconds. */
export function askTcp(address: string, port: number): string {
  return `timeout 4 socat -T 2 - TCP:${address}:${port},connect-timeout=2 </dev/null 2>/tmp/ask.$$ | head -n 1 | grep . || { grep -q refused /tmp/ask.$$ && echo refused || echo silent; }; rm -f /tmp/ask.$$`;
}

/** The same over UDP, from a source port of its own where one is given. */
export function askUdp(address: string, port: number, source?: number): string {
  const from = source === undefined ? "" : `,sourceport=${source},reuseaddr`;
  return `echo hello | timeout 2 socat -t 1 -T 1 - UDP:${address}:${port}${from} 2>/tmp/ask.$$ | head -n 1 | grep . || { grep -q refused /tmp/ask.$$ && echo refused || echo silent; }; rm -f /tmp/ask.$$`;
}

/** How far counts are from an even spread, by chi-square. */
export function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, each) => sum + each, 0) / counts.length;
  return counts.reduce((sum, each) => sum + (each - expected) ** 2 / expected, 0);
}
