// A stretch of a body, counted: what comes short is a cut connection, what comes in excess is a wrong answer.

import { AnaxError, redactUrl } from '../core/index.ts';

/** Plain data: the body may be in another thread. */
export interface BodySpan {
  /** Bytes of the body before it. */
  readonly skip: number;
  readonly length: number;
  /** Whether the body rightly goes on after it. */
  readonly hasMore: boolean;
}

/** The stretch, exactly. Throws `network_unreachable` and `origin_protocol`, and what the body throws. */
export async function* readSpan(
  body: AsyncIterable<Uint8Array>,
  { skip, length, hasMore }: BodySpan,
  url: URL,
): AsyncGenerator<Uint8Array> {
  let before = skip;
  let given = 0;
  for await (const chunk of body) {
    const behind = Math.min(chunk.length, before);
    before -= behind;
    const rest = chunk.subarray(behind, hasMore ? behind + length - given : chunk.length);
    given += rest.length;
    if (given > length)
      throw failed('origin_protocol', url, `${redactUrl(url.href)}: more bytes than asked for`);
    if (rest.length > 0) yield rest;
    if (hasMore && given === length) return;
  }
  if (given < length) {
    throw failed('network_unreachable', url, `${url.host} cut the answer at ${given} of ${length} bytes`);
  }
}

function failed(code: 'origin_protocol' | 'network_unreachable', url: URL, message: string): AnaxError {
  return new AnaxError(code, message, { details: { url: redactUrl(url.href) } });
}
