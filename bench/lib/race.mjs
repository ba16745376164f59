/** Starts containers from one shell, and hears of their first instruction through another. */
export class Race {
  #heard = () => undefined;
  #ended = () => undefined;

  constructor(node, fifo, prepare) {
    this.shell = node.shell();
    this.listener = node.shell();
    this.listener.stdin.write(`exec 3<>${fifo}; cat <&3\n`);
    this.listener.stdout.on("data", () => this.#heard(performance.now()));
    this.shell.stdout.setEncoding("utf8").on("data", (text) => this.#ended(text));
    this.shell.stdin.write(`${prepare}\n`);
  }

  /** Runs a command, and waits until it has ended; the time until the container's first instruction. */
  start(command) {
    return this.time(() => {
      const ended = new Promise((resolve, reject) => {
        this.#ended = (text) => (text === "ended\n" ? resolve() : reject(new Error(`${command}: ${text}`)));
      });
      this.shell.stdin.write(`{ ${command}; } </dev/null; echo ended\n`);
      return ended;
    });
  }

  async time(work) {
    const heard = new Promise((resolve) => {
      this.#heard = resolve;
    });
    const began = performance.now();
    const [first] = await Promise.all([heard, work()]);
    return first - began;
  }

  end() {
    this.shell.stdin.end();
    this.listener.kill();
  }
}
