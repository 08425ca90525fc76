// What no schedule can beat, and how close one came.

import { pieceCount, pieceLengthFor } from '../../src/core/index.ts';

export interface Delivery {
  readonly peers: number;
  readonly sizeBytes: number;
  readonly bitsPerSecond: number;
}

/**
 * F/B · (1 + ⌊log2 N⌋/M) in seconds: N peers and one seed that holds the file, equal links of B each way, M
 * pieces, cut as Anax cuts (Mundinger, Weber, Weiss: Optimal scheduling of peer-to-peer file dissemination, 2008). Of the link's rate, 4.4 % are
 * headers of Ethernet, IP and TCP, so that over TCP nobody comes below 1.046 times this.
 */
export function boundSeconds({ peers, sizeBytes, bitsPerSecond }: Delivery): number {
  const pieces = pieceCount({ sizeBytes, pieceLengthBytes: pieceLengthFor(sizeBytes) });
  return ((sizeBytes * 8) / bitsPerSecond) * (1 + Math.floor(Math.log2(peers)) / pieces);
}

/** The least value that this share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const ascending = values.toSorted((left, right) => left - right);
  return ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)] ?? Number.NaN;
}
