/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Runs two things by turns, ABAB, so that a change of the machine's mood meets both. Returns their times in pairs. */
export async function alternate(rounds, a, b) {
  const pairs = [];
  for (let round = 0; round < rounds; round += 1) pairs.push([await a(round), await b(round)]);
  return pairs;
}

/** Milliseconds that something takes. */
export async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

export const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;
export const milliseconds = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
export const kilobytes = (bytes) => `${Math.round(bytes / 1000)} KB`;
