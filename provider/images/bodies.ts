/** Reads what registries answer, never more than is expected. */
import { EndpointFailure } from "./endpoint-failure";
import { quoted } from "./image-error";
import type { Answer } from "./transport";
import { noAnswer } from "./transport";

/** More of an error's text is not read, in bytes. */
const LONGEST_ERROR = 64 * 1024;

/**
 * The whole body.
 *
 * @throws EndpointFailure where it has more than `limit` bytes, or breaks off.
 */
export async function readBody(answer: Answer, limit: number, url: URL): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limit) throw new EndpointFailure(`the answer has more than ${limit} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw noAnswer(error, url);
  }
  return Buffer.concat(chunks);
}

/** What a registry says of its refusal: `UNAUTHORIZED: authentication required`; empty when it says nothing. */
export async function readErrorText(answer: Answer, url: URL): Promise<string> {
  const text = await readBody(answer, LONGEST_ERROR, url).then(String, () => "");
  if (!/json/.test(String(answer.headers["content-type"] ?? "json"))) return "";
  try {
    const { errors, details, message } = JSON.parse(text) as Record<string, unknown>;
    const said = (Array.isArray(errors) ? errors : []).map((each: { code?: unknown; message?: unknown }) =>
      [each?.code, each?.message].filter((part) => typeof part === "string" && part !== "").join(": "),
    );
    const plain = [details, message].find((each) => typeof each === "string");
    return quoted(said.filter((each) => each !== "").join("; ") || String(plain ?? ""));
  } catch {
    return "";
  }
}
