// The data plane: links whose payload stays in threads of its own (docs/adr/0010-payload-in-threads.md).

export type { DataLink, DataLinkHandlers, PieceToServe } from './data-link.ts';
export { DataPlane, type DataPlaneOptions } from './data-plane.ts';
export type { FetchOutcome, PieceFetchOptions, PutPiece } from './piece-fetch.ts';
export { createLocalIntakes } from './stream-intake.ts';
