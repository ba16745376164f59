/**
 * An HTTP server in front of another one. It passes on what it is asked, as a server and as a forward proxy, and can do
 * harm to the answers.
 */
import { createServer, type IncomingHttpHeaders, request as send } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** Ends the connection after so many bytes of the body. */
  cut?: number;
  /** Milliseconds until the body ends. */
  delay?: number;
}

export interface Question {
  readonly method: string;
  /** As it stands in the request: a path, a whole address (forward proxy), or host:port (CONNECT). */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Front extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly questions: Question[];
  /** What is done to each answer. It may change it, or give another one. */
  change: (question: Question, answer: Answer) => Answer;
}

/** @param target - `127.0.0.1:PORT` of a server that speaks plain HTTP (or anything, through CONNECT). */
export async function startFront(
  target: string,
  change: Front["change"] = (_, answer) => answer,
  address = "127.0.0.1",
): Promise<Front> {
  const questions: Question[] = [];
  const front = { change };
  const tunnels = new Set<Socket>();
  const server = createServer(async (request, response) => {
    const { method = "GET", url = "/" } = request;
    const question = { method, target: url, headers: request.headers };
    questions.push(question);
    const path = url.startsWith("/") ? url : new URL(url).pathname + new URL(url).search;
    const answer = front.change(question, await ask(target, method, path, request.headers));
    const { "content-length": length, ...headers } = answer.headers;
    const whole = method === "HEAD" ? length : String(answer.body.length);
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
    if (whole !== undefined) response.setHeader("content-length", whole);
    response.writeHead(answer.status);
    if (answer.delay !== undefined) {
      response.write(answer.body.subarray(0, answer.body.length / 2));
      await sleep(answer.delay, undefined, { ref: false });
      response.end(answer.body.subarray(answer.body.length / 2));
    } else if (answer.cut === undefined) response.end(answer.body);
    else response.write(answer.body.subarray(0, answer.cut), () => response.destroy());
  });
  server.on("connect", (request, client) => {
    questions.push({ method: "CONNECT", target: request.url ?? "", headers: request.headers });
    const [host, port] = target.split(":");
    const upstream = connect(Number(port), host, () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      client.pipe(upstream).pipe(client);
    });
    for (const end of [client as Socket, upstream]) {
      tunnels.add(end);
      end.on("error", () => [client, upstream].map((each) => each.destroy()));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return Object.assign(front, {
    host: `${address}:${(server.address() as AddressInfo).port}`,
    questions,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      for (const tunnel of tunnels) tunnel.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function ask(target: string, method: string, path: string, headers: IncomingHttpHeaders): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = send(`http://${target}${path}`, { method, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const { "transfer-encoding": _, ...kept } = response.headers;
      resolve({ status: response.statusCode ?? 0, headers: kept, body: Buffer.concat(chunks) });
    });
    request.on("error", reject);
    request.end();
  });
}
