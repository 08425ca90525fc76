// What a test gives the conformance suite for one implementation of `Source`: the source, an origin under the test's
// control, and how that origin can misbehave. A capability that an origin can't have is left out, and its cases skip.

import type { ErrorCode, ParseOptions, Secret, Source } from '../../core/index.ts';

export type FixtureFiles = Readonly<Record<string, Uint8Array>>;

/** A URL that must fail, and the codes that are right for it. */
export interface AbsentUrl {
  readonly url: string;
  readonly codes: readonly ErrorCode[];
}

/** One request that the origin, or any other host that the origin points to, has seen. */
export interface SeenRequest {
  /** Whether it came to the origin itself. */
  readonly atHome: boolean;
  /** All header values, and the address with its query. */
  readonly text: string;
}

export interface SourceFixture {
  readonly source: Source;
  readonly parseOptions: ParseOptions;
  /** Whether a URL names a single file: then `put` is called with one. */
  readonly holdsOneFile: boolean;
  /** Whether a repository can have no files at all. */
  readonly holdsNothing: boolean;
  /** Publishes files under a new name; the URL of the default revision. */
  readonly put: (files: FixtureFiles) => Promise<string>;
  /** URLs of what is not there. `revision` is of a repository that is. */
  readonly absent: () => Promise<{
    readonly repo: AbsentUrl;
    readonly revision?: AbsentUrl;
    readonly file?: AbsentUrl;
  }>;
  /** The next answer with content of the file closes after so many bytes. */
  readonly cutNext?: (path: string, afterBytes: number) => void;
  /** Answers with content of the file stop after so many bytes, and hang. */
  readonly stall?: (path: string, afterBytes: number) => void;
  /** The origin answers nothing more, and keeps connections open. */
  readonly hang?: () => void;
  /** Adds a path to the listing of the repository at a URL, as it is. */
  readonly injectPath?: (url: string, path: string) => void;
  /** Publishes files that only the token may read. `refused` are the codes for another token. */
  readonly putPrivate?: (
    files: FixtureFiles,
    token: Secret,
  ) => Promise<{ readonly url: string; readonly refused: readonly ErrorCode[] }>;
  /** What was seen since the start. */
  readonly requests?: () => readonly SeenRequest[];
  readonly close: () => Promise<void>;
}

export type MakeFixture = () => Promise<SourceFixture>;
