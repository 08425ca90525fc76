// A small world for the swarm machine: hosts with the real machine and the real upload queue, joined by links of equal
// rate, one origin, simulated time. For tests of the rules; nothing here is fair to real networks.

import {
  AnaxError,
  Bitfield,
  createManifest,
  digestOf,
  type PeerId,
  type PeerInfo,
  PieceMap,
  parseRepoPath,
  type Range,
  type SnapshotId,
  seededRandom,
  toErrorRecord,
} from '../../core/index.ts';
import {
  addWish,
  createSwarmState,
  createUploadQueue,
  endServe,
  hasUnsent,
  heldCount,
  nextWish,
  type ReadPace,
  rarityFor,
  removeChild,
  removeWish,
  type SwarmEffect,
  type SwarmEvent,
  type SwarmLimits,
  type SwarmState,
  step,
  type UploadQueue,
  usualServeMs,
  type WishView,
} from '../../swarm/index.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly hosts: number;
  readonly pieces: number;
  /** Time that one piece takes over a host's uplink. Default 10. */
  readonly pieceMs?: number;
  /** Time between two pieces from the origin. Default 10. */
  readonly originPieceMs?: number;
  readonly limits?: Partial<SwarmLimits>;
}

interface Host {
  readonly id: PeerId;
  readonly info: PeerInfo;
  state: SwarmState;
  queue: UploadQueue;
  alive: boolean;
  readPace: ReadPace;
  finishedMs: number | undefined;
  readonly links: Set<PeerId>;
  /** Where running reads end. */
  readonly readEnds: Map<number, number>;
  /** What is being sent, and how to stop it. */
  readonly serving: Map<string, () => void>;
}

/** Runs the machines against each other. */
export class SwarmWorld {
  nowMs = 0;
  originPieces = 0;
  sentPieces = 0;
  readonly map: PieceMap;
  readonly hosts: Host[] = [];
  readonly leasesDone: number[] = [];
  readonly yielded: Range[] = [];
  readonly #options: Required<Omit<WorldOptions, 'limits'>> & Pick<WorldOptions, 'limits'>;
  readonly #agenda: { atMs: number; order: number; run: () => void }[] = [];
  readonly #random: () => number;
  #order = 0;

  constructor(options: WorldOptions) {
    this.#options = { pieceMs: 10, originPieceMs: 10, ...options };
    this.#random = seededRandom(options.seed);
    this.map = new PieceMap(
      createManifest([
        {
          path: parseRepoPath('model.bin'),
          sizeBytes: options.pieces * 1024 * 1024,
          digest: digestOf('sha256', Buffer.from('model')),
        },
      ]),
    );
    for (let at = 0; at < options.hosts; at += 1) this.hosts.push(this.#createHost(at));
  }

  #createHost(at: number): Host {
    const id = at.toString(16).padStart(32, '0') as PeerId;
    const info: PeerInfo = {
      id,
      publicKey: new Uint8Array(32),
      host: 'sim',
      port: at + 1,
      role: at === 0 ? 'seed' : 'peer',
      zone: '',
      hostname: `host-${at}`,
      version: 'sim',
    };
    return {
      id,
      info,
      state: this.#freshState(id, new Bitfield(this.map.pieceCount)),
      queue: createUploadQueue(),
      alive: true,
      readPace: 'all',
      finishedMs: undefined,
      links: new Set(),
      readEnds: new Map(),
      serving: new Map(),
    };
  }

  #freshState(self: PeerId, held: Bitfield): SwarmState {
    const { limits } = this.#options;
    const rngSeed = Math.floor(this.#random() * 2 ** 31);
    return createSwarmState({ self, map: this.map, held, rngSeed, ...(limits && { limits }) });
  }

  at(delayMs: number, run: () => void): void {
    this.#order += 1;
    this.#agenda.push({ atMs: this.nowMs + delayMs, order: this.#order, run });
  }

  host(id: PeerId): Host {
    const found = this.hosts.find((host) => host.id === id);
    if (!found) throw new AnaxError('internal', `no host ${id}`);
    return found;
  }

  feed(host: Host, event: SwarmEvent): void {
    if (!host.alive) return;
    for (const effect of step(host.state, event, this.nowMs)) this.#carryOut(host, effect);
    if (host.state.held.isFull) host.finishedMs ??= this.nowMs;
  }

  /** Everybody knows `degree` others and the first host has the lease on everything. */
  start(degree = 12): void {
    for (const host of this.hosts) {
      const others = this.hosts.filter((other) => other !== host).map(({ info }) => info);
      const chosen = others.length <= degree ? others : this.#sample(others, degree);
      this.feed(host, { kind: 'neighbours', peers: chosen });
    }
    const first = this.hosts[0];
    if (first) this.lease(first, 1, [{ start: 0, end: this.map.pieceCount }]);
    this.#tick();
  }

  #sample<Value>(values: Value[], count: number): Value[] {
    const pool = [...values];
    const out: Value[] = [];
    while (out.length < count && pool.length > 0) {
      out.push(...pool.splice(Math.floor(this.#random() * pool.length), 1));
    }
    return out;
  }

  lease(host: Host, epoch: number, spans: { start: number; end: number }[]): void {
    this.feed(host, { kind: 'lease', epoch, spans });
  }

  #tick(): void {
    for (const host of this.hosts) this.feed(host, { kind: 'tick' });
    if (!this.done) this.at(250, () => this.#tick());
  }

  get first(): Host {
    return this.hosts[0] as Host;
  }

  get done(): boolean {
    return this.hosts.every((host) => !host.alive || host.state.held.isFull);
  }

  /** Runs until every living host has all, or the time is over. */
  run(untilMs: number): void {
    while (this.nowMs < untilMs && !this.done) {
      let first = 0;
      for (let at = 1; at < this.#agenda.length; at += 1) {
        const a = this.#agenda[at];
        const b = this.#agenda[first];
        if (a && b && (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order))) first = at;
      }
      const [next] = this.#agenda.splice(first, 1);
      if (!next) return;
      this.nowMs = next.atMs;
      next.run();
    }
  }

  kill(host: Host): void {
    host.alive = false;
    for (const peer of host.links) {
      const other = this.host(peer);
      other.links.delete(host.id);
      removeChild(other.queue, host.id);
      this.at(1, () => this.feed(other, { kind: 'linkDown', peer: host.id }));
    }
    host.links.clear();
  }

  #carryOut(host: Host, effect: SwarmEffect): void {
    switch (effect.kind) {
      case 'dial':
        return this.at(1, () => this.#connect(host, this.host(effect.peer.id)));
      case 'request':
        return this.at(1, () => this.#ask(host, this.host(effect.peer), effect.piece));
      case 'cancel':
        return this.at(1, () => this.#cancel(host, this.host(effect.peer), effect.piece));
      // All hear at once: nothing is left for later.
      case 'announce':
        return this.at(1, () => {
          for (const peer of host.links) {
            this.feed(this.host(peer), { kind: 'have', peer: host.id, pieces: [effect.piece] });
          }
        });
      case 'read':
        host.readEnds.set(effect.readId, effect.pieces.end);
        return this.#read(host, effect.readId, effect.pieces.start);
      case 'shortenRead':
        return void host.readEnds.set(effect.readId, effect.end);
      case 'leaseYielded':
        return void this.yielded.push(...effect.spans);
      case 'announceRest':
      case 'leaseProgress':
      case 'look':
      case 'seek':
        return undefined;
      case 'paceReads':
        host.readPace = effect.pace;
        return undefined;
      case 'leaseDone':
        return void this.leasesDone.push(effect.epoch);
      case 'ban':
        return undefined;
    }
  }

  #connect(a: Host, b: Host): void {
    if (!a.alive) return;
    if (!b.alive) return this.feed(a, { kind: 'linkDown', peer: b.id });
    if (a.links.has(b.id)) return;
    a.links.add(b.id);
    b.links.add(a.id);
    this.feed(a, { kind: 'linkUp', peer: b.id, held: b.state.held });
    this.feed(b, { kind: 'linkUp', peer: a.id, held: a.state.held });
  }

  #ask(child: Host, parent: Host, piece: number): void {
    if (!parent.alive || !parent.links.has(child.id)) return;
    const snapshot = '' as SnapshotId;
    const sizeBytes = 1024 * 1024;
    const held = heldCount(parent.state, child.id);
    addWish(parent.queue, { peer: child.id, channel: 0, snapshot, piece, sizeBytes, heldCount: held });
    this.#pump(parent);
  }

  #cancel(child: Host, parent: Host, piece: number): void {
    if (!removeWish(parent.queue, child.id, 0, piece)) parent.serving.get(`${child.id}/${piece}`)?.();
  }

  /** The uplink is shared by what is served at once. */
  #pump(parent: Host): void {
    for (;;) {
      const { state } = parent;
      const view: WishView = {
        rarityOf: ({ peer, piece }) => rarityFor(state, peer, piece),
        hasUnsent: ({ peer }, wasSent) => hasUnsent(state, peer, wasSent),
        usualMs: ({ peer }) => usualServeMs(state, peer),
      };
      const wish = nextWish(parent.queue, view, this.nowMs);
      if (!wish) return;
      const { peer, piece } = wish;
      this.at(1, () => this.feed(this.host(peer), { kind: 'begun', peer: parent.id, piece }));
      const key = `${peer}/${piece}`;
      const end = (isWhole: boolean): void => {
        if (parent.serving.get(key) !== stop) return;
        parent.serving.delete(key);
        endServe(parent.queue, wish, isWhole, this.nowMs);
        if (!parent.alive) return;
        const child = this.host(peer);
        if (isWhole) this.sentPieces += 1;
        if (isWhole && child.alive) this.feed(child, { kind: 'stored', piece, from: parent.id });
        this.#pump(parent);
      };
      const stop = (): void => end(false);
      parent.serving.set(key, stop);
      this.at(this.#options.pieceMs * parent.queue.limits.maxActive, () => end(true));
    }
  }

  #read(host: Host, readId: number, piece: number): void {
    if (!host.alive) return;
    if (piece >= (host.readEnds.get(readId) ?? 0))
      return this.feed(host, { kind: 'readEnded', readId, error: undefined });
    const isHeld = host.readPace !== 'all' && host.readPace !== readId;
    if (isHeld) return this.at(this.#options.originPieceMs, () => this.#read(host, readId, piece));
    this.at(this.#options.originPieceMs * Math.max(1, host.state.lease?.reads.size ?? 1), () => {
      if (!host.alive) return;
      this.originPieces += 1;
      this.feed(host, { kind: 'stored', piece, from: 'origin' });
      this.#read(host, readId, piece + 1);
    });
  }
}

export const someError = toErrorRecord(new AnaxError('origin_unavailable'));
