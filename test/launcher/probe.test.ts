import { spawn } from "node:child_process";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { launcher, reasonToSkip } from "./box";

describe.skipIf(reasonToSkip())("launcher probe", () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  });

  async function listen(server: Server, host = "127.0.0.1"): Promise<number> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return (server.address() as AddressInfo).port;
  }
  /** A server that sends these bytes to whoever asks, and then hangs up or waits. */
  const raw = (bytes: string | Buffer, hangUp = true) =>
    listen(
      createServer((socket: Socket) => {
        socket.on("error", () => {});
        socket.once("data", () => (hangUp ? socket.end(bytes) : socket.write(bytes)));
        if (!hangUp) socket.once("end", () => socket.destroy());
      }),
    );
  function probe(...words: (string | number)[]): Promise<{ code: number | null; out: string; err: string }> {
    const [kind, address, port, ...more] = words.map(String);
    // Of HTTP, the path and the headers go by standard input.
    const [path, seconds, ...headers] = kind === "http" ? more : ["", ...more];
    const child = spawn(
      launcher,
      ["probe", kind, address, port, seconds].filter((word) => word !== undefined),
    );
    child.stdin.on("error", () => {});
    child.stdin.end(kind === "http" ? [path, ...headers, ""].join("\n") : "");
    const result = { code: null as number | null, out: "", err: "" };
    child.stdout.on("data", (bytes: Buffer) => (result.out += bytes.toString("latin1")));
    child.stderr.on("data", (bytes: Buffer) => (result.err += bytes.toString("latin1")));
    return new Promise((resolve) => child.on("close", (code) => resolve({ ...result, code })));
  }
  /** A port that nobody listens on. */
  async function closedPort(): Promise<number> {
    const server = createServer();
    const port = await listen(server);
    servers.pop();
    await new Promise((resolve) => server.close(resolve));
    return port;
  }

  it("knows whether a port takes connections, over IPv4 and IPv6", async () => {
    const four = await listen(createServer((socket) => socket.on("error", () => {})));
    expect(await probe("tcp", "127.0.0.1", four, 5)).toEqual({ code: 0, out: "", err: "" });
    const six = await listen(
      createServer((socket) => socket.on("error", () => {})),
      "::1",
    );
    expect(await probe("tcp", "::1", six, 5)).toEqual({ code: 0, out: "", err: "" });
    expect(await probe("tcp", "0:0::0:1", six, 5)).toMatchObject({ code: 0 });
    expect(await probe("tcp", "::ffff:127.0.0.1", four, 5)).toMatchObject({ code: 0 });
    const closed = await closedPort();
    expect(await probe("tcp", "127.0.0.1", closed, 5)).toEqual({
      code: 1,
      out: `dial tcp 127.0.0.1:${closed}: connect: connection refused\n`,
      err: "",
    });
    expect((await probe("tcp", "::1", closed, 5)).out).toBe(`dial tcp [::1]:${closed}: connect: connection refused\n`);
  });

  it("asks as a kubelet does", async () => {
    const seen: IncomingMessage[] = [];
    const port = await listen(
      createHttpServer((request, response) => {
        seen.push(request);
        response.end("fine");
      }),
    );
    expect(await probe("http", "127.0.0.1", port, "/healthz?a=b", 5)).toEqual({ code: 0, out: "", err: "" });
    expect(seen[0]).toMatchObject({ method: "GET", url: "/healthz?a=b", httpVersion: "1.1" });
    expect(seen[0]?.rawHeaders).toEqual([
      ...["Host", `127.0.0.1:${port}`],
      ...["User-Agent", "kube-probe/1.34"],
      ...["Accept", "*/*"],
      ...["Connection", "close"],
    ]);
    const headers = ["X-Mine: a: b", "hOST: example.org", "Accept:", "User-Agent: me", "connection: keep-alive"];
    expect(await probe("http", "127.0.0.1", port, "/", 5, ...headers)).toMatchObject({ code: 0 });
    expect(seen[1]?.rawHeaders).toEqual([
      ...["Host", "example.org"],
      ...["X-Mine", "a: b"],
      ...["User-Agent", "me"],
      ...["Connection", "close"],
    ]);
  });

  it.each([
    [200, 0],
    [204, 0],
    [302, 0],
    [399, 0],
    [400, 1],
    [404, 1],
    [503, 1],
    [999, 1],
  ])("takes status %i as exit status %i", async (status, code) => {
    const port = await listen(createHttpServer((_, response) => response.writeHead(status).end()));
    expect(await probe("http", "127.0.0.1", port, "/", 5)).toEqual({
      code,
      out: code ? `HTTP probe failed with statuscode: ${status}\n` : "",
      err: "",
    });
  });

  describe("redirected", () => {
    /** A server that redirects by what this gives for a path, and answers 200 to what it has nothing for. */
    async function redirector(locations: (url: string, port: number) => string | undefined, status = 302) {
      const seen: IncomingMessage[] = [];
      const server = createHttpServer((request, response) => {
        seen.push(request);
        const location = locations(request.url ?? "", (server.address() as AddressInfo).port);
        if (location === undefined) response.end("here");
        else response.writeHead(status, { location: Buffer.from(location, "utf8").toString("latin1") }).end();
      });
      return { port: await listen(server), seen, paths: () => seen.map(({ url }) => url) };
    }

    it.each([
      ["/c", "/c"],
      ["/c?d=//e/../f", "/c?d=//e/../f"],
      ["c", "/a/c"],
      ["./c/./d/", "/a/c/d/"],
      ["../c", "/c"],
      ["../../../c/..", "/"],
      ["..", "/"],
      [".", "/a/"],
      [".../c", "/a/.../c"],
      ["?z=1", "/a/b?z=1"],
      ["c d/ü?e f", "/a/c%20d/%C3%BC?e%20f"],
      ["/c#part", "/c"],
      ["http://127.0.0.1:PORT", "/"],
      ["HTTP://127.0.0.1:PORT?y", "/?y"],
      ["http://127.0.0.1:PORT/x/../y", "/y"],
      ["//127.0.0.1:PORT/z", "/z"],
    ])("on the same host by %j goes to %j", async (location, path) => {
      const { port, paths } = await redirector((url, own) =>
        url === "/a/b?q=/x" ? location.replace("PORT", `${own}`) : undefined,
      );
      expect(await probe("http", "127.0.0.1", port, "/a/b?q=/x", 5)).toEqual({ code: 0, out: "", err: "" });
      expect(paths()).toEqual(["/a/b?q=/x", path]);
    });

    it("is told by what it finds there, on another port too", async () => {
      const missing = await listen(createHttpServer((_, response) => response.writeHead(404).end()));
      for (const status of [301, 302, 303, 307, 308]) {
        const { port } = await redirector(() => `http://127.0.0.1:${missing}/`, status);
        expect(await probe("http", "127.0.0.1", port, "/", 5)).toMatchObject({
          code: 1,
          out: "HTTP probe failed with statuscode: 404\n",
        });
      }
      const { port, paths } = await redirector(() => `http://127.0.0.1:${missing}/`, 304);
      expect(await probe("http", "127.0.0.1", port, "/", 5)).toMatchObject({ code: 0 });
      expect(paths()).toEqual(["/"]);
      const closed = await closedPort();
      const away = await redirector(() => `http://127.0.0.1:${closed}/`);
      expect((await probe("http", "127.0.0.1", away.port, "/", 5)).out).toBe(
        `Get "http://127.0.0.1:${closed}/": dial tcp 127.0.0.1:${closed}: connect: connection refused\n`,
      );
    });

    it.each(["http://localhost:PORT/", "https://example.com/", "//127.0.0.2:PORT/", "mailto:me", "http:///x", ""])(
      "to another host, as by %j, has succeeded",
      async (location) => {
        const { port, paths } = await redirector((_, own) => location.replace("PORT", `${own}`));
        expect(await probe("http", "127.0.0.1", port, "/", 5)).toEqual({ code: 0, out: "", err: "" });
        expect(paths()).toEqual(["/"]);
      },
    );

    it.each([
      "http://127.0.0.1:65536/",
      "http://127.0.0.1:0/",
      "http://127.0.0.1:8x/",
      "http://me@127.0.0.1/",
      "ftp://127.0.0.1/",
      "http://[::1/",
      `/${"x".repeat(2048)}`,
    ])("by what cannot be followed has failed: %.40s", async (location) => {
      const { port } = await redirector(() => location);
      const shown = location.length > 2048 ? "" : location;
      expect(await probe("http", "127.0.0.1", port, "/", 5)).toEqual({
        code: 1,
        out: `Get "http://127.0.0.1:${port}/": failed to parse Location header "${shown}"\n`,
        err: "",
      });
    });

    it("says who asks, and keeps its headers, the Host where the redirect names none", async () => {
      const { port, seen } = await redirector((url, own) =>
        url === "/1" ? "/2" : url === "/2" ? `http://127.0.0.1:${own}/3` : url === "/3" ? "/4" : undefined,
      );
      const answer = await probe("http", "127.0.0.1", port, "/1", 5, "Host: example.org", "X-Mine: 1", "Cookie: a=b");
      expect(answer).toMatchObject({ code: 0 });
      const own = `127.0.0.1:${port}`;
      expect(seen.map(({ headers }) => [headers.host, headers.referer])).toEqual([
        ["example.org", undefined],
        ["example.org", `http://${own}/1`],
        [own, `http://${own}/2`],
        [own, `http://${own}/3`],
      ]);
      expect(seen.map(({ headers }) => `${headers["x-mine"]} ${headers.cookie}`)).toEqual(Array(4).fill("1 a=b"));
    });

    it("in a circle ends after ten requests", async () => {
      const { port, seen } = await redirector((url) => `/${Number(url.slice(1)) + 1}`);
      expect(await probe("http", "127.0.0.1", port, "/1", 5)).toEqual({
        code: 1,
        out: `Get "http://127.0.0.1:${port}/11": stopped after 10 redirects\n`,
        err: "",
      });
      expect(seen).toHaveLength(10);
    });

    it("to what takes TLS leaves that to the caller", async () => {
      const { port } = await redirector(() => "https://127.0.0.1/x");
      expect(await probe("http", "127.0.0.1", port, "/", 5)).toEqual({
        code: 2,
        out: "https://127.0.0.1:443/x\n",
        err: "",
      });
    });

    it("over IPv6 takes the address in brackets for the same host", async () => {
      const seen: string[] = [];
      const server = createHttpServer((request, response) => {
        seen.push(request.url ?? "");
        const { port } = server.address() as AddressInfo;
        if (request.url === "/") response.writeHead(302, { location: `http://[::1]:${port}/six` });
        response.end();
      });
      expect(await probe("http", "::1", await listen(server, "::1"), "/", 5)).toMatchObject({ code: 0 });
      expect(seen).toEqual(["/", "/six"]);
    });
  });

  it("passes over what announces the response", async () => {
    const hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    const port = await raw(`${hints}HTTP/1.0 500 No\nA: b\n\nbody`);
    expect((await probe("http", "127.0.0.1", port, "/", 5)).out).toBe("HTTP probe failed with statuscode: 500\n");
    expect(await probe("http", "127.0.0.1", await raw(`${hints}HTTP/1.1 200\r\n\r\n`), "/", 5)).toMatchObject({
      code: 0,
    });
  });

  it("takes an answer whose body never ends", async () => {
    const port = await listen(
      createServer((socket) => {
        const timer = setInterval(() => socket.write("x".repeat(1000)), 1);
        socket.on("error", () => {});
        socket.on("close", () => clearInterval(timer));
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
      }),
    );
    expect(await probe("http", "127.0.0.1", port, "/", 5)).toMatchObject({ code: 0 });
  });

  it("says what is wrong with an answer", async () => {
    const get = async (bytes: string | Buffer) => {
      const port = await raw(bytes);
      const { code, out } = await probe("http", "127.0.0.1", port, "/a", 5);
      expect(code).toBe(1);
      const prefix = `Get "http://127.0.0.1:${port}/a": `;
      expect(out.startsWith(prefix)).toBe(true);
      return out.slice(prefix.length);
    };
    const malformed = "net/http: HTTP/1.x transport connection broken: malformed HTTP response";
    expect(await get("SSH-2.0-x\x1b[31m\r\n")).toBe(`${malformed} "SSH-2.0-x?[31m"\n`);
    expect(await get("HTTP/1.1 20 OK\r\n\r\n")).toBe(`${malformed} "HTTP/1.1 20 OK"\n`);
    expect(await get("HTTP/1.1 2000 OK\r\n\r\n")).toBe(`${malformed} "HTTP/1.1 2000 OK"\n`);
    expect(await get("\n")).toBe(`${malformed} ""\n`);
    expect(await get("")).toBe("EOF\n");
    expect(await get("HTTP/1.1 200 OK\r\nA: b\r\n")).toBe("unexpected EOF\n");
    expect(await get(Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\n"), Buffer.alloc(1 << 21, "x")]))).toBe(
      "net/http: server response headers exceeded 1048576 bytes; aborted\n",
    );
    const port = await closedPort();
    expect((await probe("http", "127.0.0.1", port, "/a", 5)).out).toBe(
      `Get "http://127.0.0.1:${port}/a": dial tcp 127.0.0.1:${port}: connect: connection refused\n`,
    );
  });

  it("does not wait beyond its time", async () => {
    for (const bytes of ["", "HTTP/1.1 200 OK\r\nA: b\r\n"]) {
      const port = await raw(bytes, false);
      expect(await probe("http", "127.0.0.1", port, "/", "0.2")).toEqual({
        code: 1,
        out: `Get "http://127.0.0.1:${port}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)\n`,
        err: "",
      });
    }
  });

  it("refuses what it is asked wrongly", async () => {
    const refused = async (...words: (string | number)[]) => {
      const { code, err, out } = await probe(...words);
      expect({ code, out }).toEqual({ code: 125, out: "" });
      return err;
    };
    for (const address of ["localhost", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.", "", "1.2.3.4 "])
      expect(await refused("tcp", address, 80, 1)).toContain("must be a numeric IPv4 or IPv6 address");
    for (const address of [
      ":",
      ":::",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7::8",
      "12345::",
      "g::",
    ])
      expect(await refused("tcp", address, 80, 1)).toContain("must be a numeric");
    for (const address of ["fe80::1%eth0", "1:", "::1.2.3", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4"])
      expect(await refused("tcp", address, 80, 1)).toContain("must be a numeric");
    expect(await refused("tcp", "127.0.0.1", 0, 1)).toContain('port "0" must be a number between 1 and 65535');
    expect(await refused("tcp", "127.0.0.1", 65536, 1)).toContain("must be a number between 1 and 65535");
    expect(await refused("tcp", "127.0.0.1", 80, 0)).toContain('"0" must be a number of seconds above 0');
    expect(await refused("udp", "127.0.0.1", 80, 1)).toContain("the arguments must be tcp");
    expect(await refused("http", "127.0.0.1", 80, "x", 1)).toContain("the path must begin with a slash");
    expect(await refused("http", "127.0.0.1", 80, "/a b", 1)).toContain("without spaces");
    for (const header of ["no-colon", ": x", "A b: c", "A: b\r\nC: d"])
      expect(await refused("http", "127.0.0.1", 80, "/", 1, header)).toContain("must be NAME: VALUE");
    expect(await refused("http", "127.0.0.1", 80, "/\0", 1)).toContain("a NUL on standard input");
    const long = `A: ${"x".repeat(1000)}`;
    expect(await refused("http", "127.0.0.1", 80, "/", 1, ...Array(200).fill(long))).toContain(
      "more than 131071 bytes",
    );
  });
});
