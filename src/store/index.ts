// L2: the blob store on a disk. Everything else here is its inside.

export type { DiskBlobStore, StoreStats } from './disk-store.ts';
export { type BlobStoreOptions, openBlobStore } from './open-blob-store.ts';
