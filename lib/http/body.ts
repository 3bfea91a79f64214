import { concat } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";

/**
 * The whole body of a request or response, at most `limit` bytes. Throws `too-large` without reading further, `malformed` where
 * the body was read before, and `unreachable` where the carrier breaks off.
 */
export async function readBody(message: Request | Response, limit: number): Promise<Uint8Array> {
  if (message.bodyUsed) throw new SeccfError("malformed", "the body was read before");
  const stream: ReadableStream<Uint8Array> | null = message.body;
  if (stream === null) return new Uint8Array();
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return concat(...parts);
      length += value.length;
      if (length > limit) throw new SeccfError("too-large", `a body of more than ${limit} bytes`);
      parts.push(value);
    }
  } catch (cause) {
    // Nobody waits for the cancelled rest, and its own failure says nothing new.
    reader.cancel(cause).catch(() => {});
    if (cause instanceof SeccfError) throw cause;
    throw new SeccfError("unreachable", "the body broke off", { cause });
  }
}
