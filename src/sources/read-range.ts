// The bytes of a range, exactly. An answer must say that it is the range that was asked for, of a file of the size that
// is known; what then comes short is a cut connection, what comes in excess is a wrong answer.

import {
  AnaxError,
  assert,
  MiB,
  type OriginStream,
  parseContentRange,
  type Range,
  RangeIgnored,
  rangeLength,
  redactUrl,
  type SourceContext,
  toHttpRange,
} from '../core/index.ts';
import { type BodySpan, readSpan, toRequestError } from '../http-body/index.ts';
import type { HeaderFields } from './credentials.ts';
import { drop, type OriginResponse } from './origin-client.ts';
import { refuseEncoding } from './read-body.ts';
import { header } from './retry-policy.ts';

/** A range, and the size of the file that it is of. */
export interface WantedRange {
  readonly range: Range;
  readonly sizeBytes: number;
  readonly mayReadThrough: boolean;
}

/**
 * Some gateways ignore Range and send small files whole: up to this size what comes before the range is read and
 * thrown away, above it only where the caller says so.
 */
const MAX_SKIPPED_FILE_BYTES = 32 * MiB;

/** The answer to the question for none. */
export const NO_BYTES: OriginStream = {
  async *[Symbol.asyncIterator]() {
    // It ends at once.
  },
};

export function wantedRange(range: Range, sizeBytes: number, context?: SourceContext): WantedRange {
  const { start, end } = range;
  assert(0 <= start && start <= end && end <= sizeBytes, `bytes ${start}–${end} of a file of ${sizeBytes}`);
  return { range, sizeBytes, mayReadThrough: context?.mayReadThrough ?? false };
}

function isWhole({ range, sizeBytes }: WantedRange): boolean {
  return range.start === 0 && range.end === sizeBytes;
}

/** No Range header for the whole: some origins count and cache ranges differently. */
export function rangeHeaders(want: WantedRange): HeaderFields {
  return isWhole(want) ? {} : { range: toHttpRange(want.range) };
}

/**
 * Checks a 200 or 206 answer; what it gives are its bytes. Throws `origin_protocol` for an answer that is not the range,
 * `RangeIgnored` for the whole of a large file, `origin_changed` where it is of a file of another size; reading throws
 * `network_unreachable` and `network_timeout` for a cut.
 */
export function openRange(response: OriginResponse, want: WantedRange, signal: AbortSignal): OriginStream {
  try {
    const span = spanIn(response, want);
    const intake = response.body.intake?.bind(response.body);
    return {
      [Symbol.asyncIterator]: () => read(response, span, signal),
      ...(intake && { intake: (capacityBytes: number) => intake(span, capacityBytes) }),
    };
  } catch (error) {
    drop(response);
    throw toRequestError(error, response.url, signal);
  }
}

async function* read(
  response: OriginResponse,
  span: BodySpan,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    yield* readSpan(response.body, span, response.url);
  } catch (error) {
    drop(response);
    throw toRequestError(error, response.url, signal);
  }
}

function spanIn(response: OriginResponse, want: WantedRange): BodySpan {
  return {
    skip: bytesToSkip(response, want),
    length: rangeLength(want.range),
    hasMore: response.status === 200 && want.range.end < want.sizeBytes,
  };
}

/** Where in the answer's body the range starts. */
function bytesToSkip(response: OriginResponse, want: WantedRange): number {
  refuseEncoding(response);
  if (response.status === 206) return checkPartial(response, want);
  if (response.status !== 200) throw wrong(response, `status ${response.status}`);
  checkLength(response, want.sizeBytes);
  if (isWhole(want)) return 0;
  if (want.sizeBytes > MAX_SKIPPED_FILE_BYTES && !want.mayReadThrough) {
    throw new RangeIgnored(redactUrl(response.url.href));
  }
  return want.range.start;
}

function checkPartial(response: OriginResponse, want: WantedRange): number {
  const given = parseContentRange(header(response.headers, 'content-range'));
  if (given === undefined) throw wrong(response, '206 without a usable Content-Range');
  if (given.sizeBytes !== undefined && given.sizeBytes !== want.sizeBytes) {
    throw changed(response, given.sizeBytes, want.sizeBytes);
  }
  if (given.range.start !== want.range.start || given.range.end !== want.range.end) {
    throw wrong(response, `asked for ${toHttpRange(want.range)}, given ${toHttpRange(given.range)}`);
  }
  const length = contentLength(response);
  if (length !== undefined && length !== rangeLength(want.range)) {
    throw wrong(response, `a range of ${rangeLength(want.range)} bytes with Content-Length ${length}`);
  }
  return 0;
}

function checkLength(response: OriginResponse, sizeBytes: number): void {
  const length = contentLength(response);
  if (length !== undefined && length !== sizeBytes) throw changed(response, length, sizeBytes);
}

function contentLength(response: OriginResponse): number | undefined {
  const text = header(response.headers, 'content-length') ?? '';
  return /^\d{1,16}$/u.test(text) ? Number(text) : undefined;
}

function wrong(response: OriginResponse, why: string): AnaxError {
  return new AnaxError('origin_protocol', `${redactUrl(response.url.href)}: ${why}`, {
    details: { url: redactUrl(response.url.href), status: response.status },
  });
}

function changed(response: OriginResponse, actual: number, expected: number): AnaxError {
  return new AnaxError(
    'origin_changed',
    `${redactUrl(response.url.href)} has ${actual} bytes instead of ${expected}`,
    { details: { url: redactUrl(response.url.href), actual, expected } },
  );
}
