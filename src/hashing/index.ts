// L2: the hash of pieces.

export * from './piece-hash.ts';
