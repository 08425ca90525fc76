// What every BlobStore must do, and the content to try it with.

export * from './conformance.ts';
export * from './content.ts';
export * from './store-use.ts';
