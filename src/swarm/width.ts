// How many pieces at once a host's own link is wide enough for, in one direction: as a share of what is usual, by how long
// its pieces take against what they take where links are as most are. A link of a quarter of the others' rate in three
// parts would keep three places of others for twelve times as long as it need keep one.

export interface Width {
  /** Where the link is as others are, and the most. */
  readonly usual: number;
  now: number;
  /** What the last pieces took against what is usual, the latest last. At most `SAMPLES`. */
  readonly ratios: number[];
  /** When it was last known what is usual. */
  judgedMs: number;
}

/** Pieces that the width is judged by. With 8 the others waited 1 to 2 % longer for a tenth of slow links, which were found later. */
const SAMPLES = 4;

/** The link is slow where all of them but the quickest took so many times what is usual; up to so many it may be wider. */
const LONG = 1.5;
const USUAL = 1.1;

/** A link that would fill one piece at once and no more than this of another has one. */
const SPARE_PART = 0.25;

/** After so long without knowing what is usual it is taken for as wide as others. */
const FORGOTTEN_MS = 30_000;

export function createWidth(usual: number): Width {
  return { usual, now: usual, ratios: [], judgedMs: 0 };
}

/** What a piece says of the link: nothing new, that the width is another now, or that even one at a time takes too long. */
type Finding = 'kept' | 'changed' | 'narrowest';

/** A piece took so long, where `usualMs` is usual; 0 where that is not known. */
export function noteTook(width: Width, tookMs: number, usualMs: number, nowMs: number): Finding {
  if (usualMs > 0) return judge(width, tookMs / usualMs, nowMs);
  if (nowMs >= width.judgedMs + FORGOTTEN_MS) width.now = width.usual;
  return 'kept';
}

function judge(width: Width, lastRatio: number, nowMs: number): Finding {
  width.judgedMs = nowMs;
  width.ratios.push(lastRatio);
  if (width.ratios.length < SAMPLES) return 'kept';
  const before = width.now;
  const ratio = width.ratios.toSorted((left, right) => left - right)[1] ?? 1;
  width.now = fittingWidth(width, ratio);
  if (width.now === before && ratio <= LONG) {
    width.ratios.shift();
    return 'kept';
  }
  width.ratios.length = 0;
  return width.now === before ? 'narrowest' : 'changed';
}

function fittingWidth({ now, usual }: Width, ratio: number): number {
  if (ratio > LONG) return Math.max(1, Math.ceil(now / ratio - SPARE_PART));
  return ratio < USUAL ? Math.min(usual, now + 1) : now;
}
