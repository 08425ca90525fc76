// The port to an origin. One adapter per kind of hub, registered by scheme; the conformance suite in src/testing runs
// on each of them.

import { AnaxError } from './error.ts';
import type { ListedFile } from './manifest.ts';
import type { PieceIntake } from './piece-intake.ts';
import type { Range } from './ranges.ts';
import type { Secret } from './secret.ts';

/** What the caller may show to the origin. Lives in memory only. */
export interface Credentials {
  readonly token?: Secret;
  /** Further request headers (`-H`), sent to the origin's own host only. Values are treated as secrets. */
  readonly headers?: Readonly<Record<string, Secret>>;
}

export interface SourceContext {
  readonly credentials: Credentials;
  readonly signal: AbortSignal;
  /** `get` may read what comes before the range, however much, and throw it away: the server knows no ranges. */
  readonly mayReadThrough?: boolean;
}

/** The server sends the whole of a large file whatever range it is asked for: it is to be read in one go. */
export class RangeIgnored extends AnaxError {
  constructor(url: string) {
    super('origin_protocol', `${url}: the server ignores Range`, { details: { url } });
  }
}

/** What a user asked for, read from a URL. Holds no secret, and can be sent to other nodes. */
export interface OriginRef {
  readonly scheme: string;
  /** Base URL of the hub without a trailing slash; for `http` the URL's origin, for `file` empty. */
  readonly endpoint: string;
  /** The repository as the hub names it, type prefix included (`datasets/owner/name`); for `http` and `file` the path. */
  readonly repo: string;
  /** Branch, tag or commit; empty for the hub's default. After `resolve`: what names this content for ever. */
  readonly revision: string;
  /** A file or folder of the repository; empty for all of it. */
  readonly path: string;
}

/** A ref whose `revision` is immutable and whose `repo` is canonical. */
export interface PinnedRef extends OriginRef {
  /** Whether the origin lets only some callers read this (private or gated): then each caller must be authorised. */
  readonly restricted: boolean;
}

/** What may come with a URL from flags; the URL's own parts win where both say something different: an error. */
export interface ParseOptions {
  readonly endpoint?: string;
  readonly revision?: string;
}

/**
 * Bytes of an origin on their way, to be read once: here, where a chunk is good until the next is asked for, or by an
 * intake. A loop that is left, and an intake that is closed, close the connection.
 */
export interface OriginStream extends AsyncIterable<Uint8Array> {
  /** Present where the bytes come in in another thread, which is then the way to take them. */
  readonly intake?: (capacityBytes: number) => PieceIntake;
}

export interface Source {
  readonly schemes: readonly string[];

  /** Reads a URL of one of the schemes. Throws `url_invalid`. Touches nothing outside. */
  parse(url: string, options: ParseOptions): OriginRef;

  /** The canonical URL of a ref, without secrets; `parse(format(ref))` is the ref again, given the same endpoint. */
  format(ref: OriginRef): string;

  /** Pins the revision. No request where it is a full commit id already and nothing else needs one. */
  resolve(ref: OriginRef, context: SourceContext): Promise<PinnedRef>;

  /**
   * All files at or under `ref.path`, in any order. Throws `file_not_found` where a non-empty path names nothing. An
   * empty repository gives an empty list.
   */
  list(ref: PinnedRef, context: SourceContext): Promise<ListedFile[]>;

  /** One file; `path` is from the repository's root. Throws `file_not_found`. */
  stat(ref: PinnedRef, path: string, context: SourceContext): Promise<ListedFile>;

  /** Whether the ref names something this caller may see. Throws for everything but absence. */
  exists(ref: OriginRef, context: SourceContext): Promise<boolean>;

  /** Asks the origin whether this caller may read a restricted ref. Throws what the hub answers (`access_gated`, …). */
  authorize(ref: PinnedRef, context: SourceContext): Promise<void>;

  /**
   * The bytes of `range`, exactly: fewer or more is an error (`network_unreachable` for a cut connection,
   * `origin_protocol` for a wrong answer), here or while they are read. `RangeIgnored` before the first byte where the
   * server sends all of a large file. Retries of the request before the first byte are the source's; a cut after it is
   * the caller's to resume with another `get`.
   */
  get(ref: PinnedRef, file: ListedFile, range: Range, context: SourceContext): Promise<OriginStream>;

  /** Closes kept connections. */
  close(): Promise<void>;
}
