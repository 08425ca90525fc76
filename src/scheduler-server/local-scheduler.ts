// The scheduler of a host that has none: the same machine in this process, for one peer. It signs with the host's own
// identity. Nothing can outlive it, so a fresh swarm and a half-complete one alike may read at once.

import {
  type BlobKey,
  type Clock,
  type Identity,
  isAbortError,
  type PeerId,
  type PeerInfo,
  type Random,
  signReaderGrant,
} from '../core/index.ts';
import {
  createSchedulerState,
  type FoundBlob,
  type SchedulerEffect,
  type SchedulerEvent,
  type SchedulerLimits,
  type SchedulerState,
  step,
} from '../scheduler/index.ts';
import type {
  JoinFacts,
  SchedulerLink,
  SchedulerMessage,
  SchedulerMessageHandler,
  Statement,
} from './scheduler-link.ts';

export interface LocalSchedulerOptions {
  /** Signs the grants. */
  readonly identity: Identity;
  readonly self: PeerInfo;
  readonly clock: Clock;
  readonly random: Random;
  /** Default 1 s. */
  readonly tickMs?: number;
  readonly limits?: Partial<SchedulerLimits>;
}

export function createLocalScheduler(options: LocalSchedulerOptions): SchedulerLink {
  return new LocalScheduler(options);
}

class LocalScheduler implements SchedulerLink {
  readonly #options: LocalSchedulerOptions;
  readonly #state: SchedulerState;
  readonly #stopping = new AbortController();
  readonly #locating = new Map<number, (peer: PeerInfo) => void>();
  #self: PeerInfo;
  #handler: SchedulerMessageHandler = () => {};
  #ticking: Promise<void> | undefined;
  #lastRequestId = 0;

  constructor(options: LocalSchedulerOptions) {
    this.#options = options;
    this.#self = options.self;
    this.#state = createSchedulerState({
      rngSeed: Math.floor(options.random() * 2 ** 32),
      limits: { startSettleMs: 0, restartSettleMs: 0, ...options.limits },
      epochBase: Math.floor(options.clock.now()),
    });
  }

  get schedulerKey(): Uint8Array {
    return this.#options.identity.publicKey;
  }

  get connected(): boolean {
    return this.#ticking !== undefined && !this.#stopping.signal.aborted;
  }

  onMessage(handler: SchedulerMessageHandler): void {
    this.#handler = handler;
  }

  async start(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = this.#tick();
    this.#feed({ kind: 'announce', peer: this.#self });
    this.#deliver({ kind: 'connected', schedulerKey: this.schedulerKey, keyChanged: false });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ticking;
  }

  announce(self: PeerInfo): void {
    this.#self = self;
    this.#feed({ kind: 'announce', peer: self, correction: true });
  }

  join(facts: JoinFacts): void {
    this.#feed({ kind: 'join', peer: this.#self.id, ...facts, readers: [] });
  }

  tell(statement: Statement): void {
    this.#feed({ ...statement, peer: this.#self.id });
  }

  async locate(refKey: string, exclude: readonly PeerId[], signal: AbortSignal): Promise<PeerInfo> {
    signal.throwIfAborted();
    // Before start and after stop there is still only this host to name.
    if (!this.connected) return this.#self;
    const requestId = (this.#lastRequestId += 1);
    const { promise, resolve } = Promise.withResolvers<PeerInfo>();
    this.#locating.set(requestId, resolve);
    this.#feed({ kind: 'locate', peer: this.#self.id, requestId, refKey, exclude });
    return promise;
  }

  /** There is nobody else. */
  async findBlobs(_: readonly BlobKey[], signal: AbortSignal): Promise<readonly FoundBlob[]> {
    signal.throwIfAborted();
    return [];
  }

  #feed(event: SchedulerEvent): void {
    if (!this.connected) return;
    for (const effect of step(this.#state, event, this.#options.clock.now())) this.#carryOut(effect);
  }

  #carryOut(effect: SchedulerEffect): void {
    const { kind } = effect;
    if (kind === 'located') {
      this.#locating.get(effect.requestId)?.(effect.peer);
      this.#locating.delete(effect.requestId);
    } else if (kind === 'lease') {
      const { snapshot, epoch, spans } = effect;
      const readerKey = this.#self.publicKey;
      const grant = signReaderGrant(this.#options.identity, { snapshot, epoch, readerKey });
      this.#deliver({ kind, snapshot, epoch, spans, grant });
      // Alone there is nobody to be elected by, or to be told whom to believe.
    } else if (kind !== 'deputy' && kind !== 'trust' && kind !== 'blobsFound') this.#deliver(effect);
  }

  /** Later: a handler that answers must not meet the machine in the middle of a step. Microtasks keep the order. */
  #deliver(message: SchedulerMessage): void {
    queueMicrotask(() => {
      if (this.connected) this.#handler(message);
    });
  }

  async #tick(): Promise<void> {
    const { clock, tickMs = 1_000 } = this.#options;
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        await clock.sleep(tickMs, signal);
        // In one process the peer can't be lost.
        this.#feed({ kind: 'alive', peer: this.#self.id });
        this.#feed({ kind: 'tick' });
      }
    } catch (error) {
      if (!isAbortError(error)) throw error;
    }
  }
}
