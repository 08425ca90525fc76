// Piece ranges between core's values and protobuf messages. Whether they make sense is checked where they are used.

import { AnaxError, type Range } from '../core/index.ts';
import type { Span } from '../rpc/index.ts';

/** Of one message. A lease has a span for each stretch that nobody holds. */
const MAX_SPANS = 65_536;

export function spansToWire(spans: readonly Range[]): { start: bigint; end: bigint }[] {
  return spans.map(({ start, end }) => ({ start: BigInt(start), end: BigInt(end) }));
}

/** Throws `peer_protocol` where there are too many. */
export function spansFromWire(spans: readonly Span[]): Range[] {
  if (spans.length > MAX_SPANS) throw new AnaxError('peer_protocol', 'a lease has too many spans');
  return spans.map(({ start, end }) => ({ start: Number(start), end: Number(end) }));
}
