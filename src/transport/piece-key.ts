// A piece of a channel as one number, to key maps with: channels are below 2³², pieces below 2²⁰.

import { MAX_PIECES } from '../core/index.ts';

export interface PieceId {
  readonly channel: number;
  readonly piece: number;
}

export function pieceKey({ channel, piece }: PieceId): number {
  return channel * MAX_PIECES + piece;
}

export function pieceOfKey(key: number): PieceId {
  return { channel: Math.floor(key / MAX_PIECES), piece: key % MAX_PIECES };
}
