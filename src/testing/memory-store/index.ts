// A blob store in memory, for tests and simulations.

export * from './memory-store.ts';
