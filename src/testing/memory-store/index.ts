// A blob store in memory, for tests and simulations, and files in it.

export * from './borrowed-file.ts';
export * from './memory-store.ts';
export * from './output-fixture.ts';
