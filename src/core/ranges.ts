// Half-open integer ranges: of bytes in a file, of pieces in a snapshot.

/** From `start` up to and without `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export function rangeLength(range: Range): number {
  return range.end - range.start;
}

/** Ascending numbers as the fewest ranges: `1 2 3 7` → `1–4, 7–8`. */
export function toRanges(ascending: Iterable<number>): Range[] {
  const ranges: { start: number; end: number }[] = [];
  for (const value of ascending) {
    const last = ranges.at(-1);
    if (last && last.end === value) last.end = value + 1;
    else ranges.push({ start: value, end: value + 1 });
  }
  return ranges;
}

/** The value of an HTTP `Range` header for a byte range. */
export function toHttpRange(range: Range): string {
  return `bytes=${range.start}-${range.end - 1}`;
}

export interface ContentRange {
  readonly range: Range;
  /** Size of the whole, where the server knows it. */
  readonly sizeBytes: number | undefined;
}

/** Reads `Content-Range: bytes a-b/size`; `undefined` where it is malformed. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/u.exec(header?.trim() ?? '');
  if (!match) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const sizeBytes = match[3] === '*' ? undefined : Number(match[3]);
  if (end <= start || (sizeBytes !== undefined && end > sizeBytes)) return undefined;
  return { range: { start, end }, sizeBytes };
}
