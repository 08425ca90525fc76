// L0: the vocabulary that everything else is written in. Imports nothing of the project.

export * from './abortable.ts';
export * from './assert.ts';
export * from './attestation.ts';
export * from './bitfield.ts';
export * from './blob-key.ts';
export * from './blob-store.ts';
export * from './brand.ts';
export * from './bytes.ts';
export * from './digest.ts';
export * from './disk-pace.ts';
export * from './error.ts';
export * from './error-table.ts';
export * from './ids.ts';
export * from './manifest.ts';
export * from './pack.ts';
export * from './peer-info.ts';
export * from './piece.ts';
export * from './piece-map.ts';
export * from './ports.ts';
export * from './prng.ts';
export * from './ranges.ts';
export * from './repo-path.ts';
export * from './secret.ts';
export * from './source.ts';
export * from './temporary-names.ts';
