// L2: where a snapshot's files go. Everything else here is its inside.

export { checkWritable } from './check-writable.ts';
export { fileOutput, resolveFileTarget } from './file-output.ts';
export { folderOutput } from './folder-output.ts';
export { type HfCacheOptions, hfCacheOutput } from './hf-cache.ts';
export type { FileOutcome, Output, OutputDeps, OutputOptions } from './output.ts';
