/** Shows that a long step is alive: one line that counts seconds on a terminal, a line every half minute elsewhere. */
export async function step(title, work) {
  const { isTTY, columns = 80 } = process.stderr;
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  let detail = "";
  let spoken = 0;
  const show = (text) => process.stderr.write(isTTY ? `\r\x1b[K${text.slice(0, columns - 1)}` : `${text}\n`);
  const timer = setInterval(() => {
    if (isTTY) show(`… ${title} (${seconds()} s) ${detail}`);
    else if (seconds() - spoken >= 30) {
      spoken = seconds();
      show(`… ${title} (${spoken} s) ${detail}`.trimEnd());
    }
  }, 1000);
  show(`… ${title}`);
  try {
    const result = await work((line) => {
      detail = line;
    });
    show(`✓ ${title} (${seconds()} s)`);
    if (isTTY) process.stderr.write("\n");
    return result;
  } catch (error) {
    show(`✗ ${title} (${seconds()} s)`);
    if (isTTY) process.stderr.write("\n");
    throw error;
  } finally {
    clearInterval(timer);
  }
}
