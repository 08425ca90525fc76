/**
 * Emulated hubs for tests, the demo and benchmarks: `startHuggingFaceHub`, `startModelScopeHub`, and
 * `makeModelFiles` for what they serve. As a process of its own: `main.ts`.
 */
export {
  bytesContent,
  type Content,
  concatContent,
  fileContent,
  type KnownDigests,
  zeroContent,
} from './content.ts';
export type { Emulator, EmulatorOptions } from './emulator-options.ts';
export type { Fault, FaultHandle, FaultMatch, Faults } from './faults.ts';
export { type GeneratedOptions, generatedContent } from './generated-content.ts';
export { type HuggingFaceHub, type HuggingFaceHubOptions, startHuggingFaceHub } from './hf-hub.ts';
export type { RepoSpec, TokenSpec } from './hf-repos.ts';
export { type ModelFilesOptions, makeModelFiles } from './model-files.ts';
export type { MsQuirks } from './ms-files.ts';
export { type ModelScopeHub, type ModelScopeHubOptions, startModelScopeHub } from './ms-hub.ts';
export type { MsRepoSpec, MsTokenSpec } from './ms-repos.ts';
export type { FileSource, Files, RepoType } from './repo.ts';
export type { HubStats, LogEntry } from './request-log.ts';
