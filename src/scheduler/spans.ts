// Lists of piece ranges as sets: ascending, disjoint, none empty.

import { type Range, rangeLength } from '../core/index.ts';

/** Spans of one message, at most. A lease has a span for each stretch that nobody holds. */
const MAX_SPANS = 65_536;

export type Spans = readonly Range[];

export function piecesIn(spans: Spans): number {
  return spans.reduce((sum, span) => sum + rangeLength(span), 0);
}

/** Whether what a stranger sent is such a list. */
export function areSpans(spans: Spans, pieceCount: number): boolean {
  let from = 0;
  for (const { start, end } of spans) {
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) return false;
    if (start < from || end <= start || end > pieceCount) return false;
    from = end;
  }
  return spans.length <= MAX_SPANS;
}

export function joined(left: Spans, right: Spans): Range[] {
  const result: { start: number; end: number }[] = [];
  for (const span of [...left, ...right].toSorted((one, other) => one.start - other.start)) {
    const last = result.at(-1);
    if (last && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else result.push({ ...span });
  }
  return result;
}

/** What of `from` is not in `spans`. */
export function without(from: Spans, spans: Spans): Range[] {
  const result: Range[] = [];
  let at = 0;
  for (const { start, end } of from) {
    let next = start;
    while (at < spans.length && (spans[at]?.end ?? 0) <= next) at += 1;
    for (let cut = at; cut < spans.length; cut += 1) {
      const span = spans[cut];
      if (!span || span.start >= end) break;
      if (span.start > next) result.push({ start: next, end: span.start });
      next = Math.max(next, span.end);
    }
    if (next < end) result.push({ start: next, end });
  }
  return result;
}

export function common(left: Spans, right: Spans): Range[] {
  return without(left, without(left, right));
}

export function overlap(left: Spans, right: Spans): boolean {
  return common(left, right).length > 0;
}

/** The first `count` pieces, and the others. */
export function splitAt(spans: Spans, count: number): [Range[], Range[]] {
  const head: Range[] = [];
  let left = count;
  for (const { start, end } of spans) {
    const taken = Math.min(left, end - start);
    if (taken > 0) head.push({ start, end: start + taken });
    left -= taken;
  }
  return [head, without(spans, head)];
}
