// What the commands need of the daemon and scheduler folders, as a port: the entries load those only when a command
// starts one, and tests put fakes here.

import type { Config } from '../config/index.ts';
import type { Logger, PeerId } from '../core/index.ts';
import type { DownloadEngine } from '../rpc/index.ts';

export interface StartOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Of Anax, as others see it. */
  readonly version: string;
}

/** What the engine inside a command is started with. */
export interface OpenOptions extends StartOptions {
  /** Ends the wait for the cache. */
  readonly signal: AbortSignal;
  /** Another process has the cache, which is waited for. */
  readonly onCacheBusy: (owner: string) => void;
}

/** What a service tells when it is ready to serve. */
export interface ReadyInfo {
  readonly peerId: PeerId;
  /** TCP port: of the peer protocol, or of the scheduler. */
  readonly peerPort: number;
  /** The control API's socket; the scheduler has none. */
  readonly socket?: string;
}

export interface RunningService {
  readonly ready: ReadyInfo;
  /** Settles when the service ends by itself: rejects with what broke it. Never settles before, else. */
  readonly ended?: Promise<void>;
  /** Ends it; open calls get up to the deadline. Idempotent. */
  stop(deadlineMs: number): Promise<void>;
}

export interface CliParts {
  /** The engine inside the command, where there is no daemon. Throws `store_locked`, … */
  openEngine(options: OpenOptions): Promise<DownloadEngine>;
  startDaemon(options: StartOptions): Promise<RunningService>;
  startScheduler(options: StartOptions): Promise<RunningService>;
}
