// Small ports that the shells are given: time, chance, hashing, logging. Pure code gets time and chance as values.

/** Milliseconds since the Unix epoch, and timers. */
export interface Clock {
  now(): number;
  /** Resolves after `ms`; rejects with an AbortError when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Uniform in [0, 1). */
export type Random = () => number;

/** BLAKE3, 32 bytes. */
export type PieceHash = (bytes: Uint8Array) => Uint8Array;

/** BLAKE3 of bytes that come bit by bit. Good for one digest. */
export interface PieceHasher {
  update(bytes: Uint8Array): void;
  /** 32 bytes. */
  digest(): Uint8Array;
}

export type LogFields = Readonly<Record<string, unknown>>;

/** Constant messages, facts as fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
