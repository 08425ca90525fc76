// The simulated world: hosts, the scheduler, the origin and what lies between them, in one agenda. Everything that
// happens follows from the options and the seed.

import {
  AnaxError,
  createManifest,
  digestOf,
  type PeerId,
  PieceMap,
  parseRepoPath,
  type Random,
  type SnapshotId,
  seededRandom,
} from '../core/index.ts';
import { Agenda } from './agenda.ts';
import { Checks } from './checks.ts';
import { Flows, Pipe } from './flows.ts';
import { SimHost } from './host.ts';
import { Inboxes } from './inboxes.ts';
import { Link, type LinkNode } from './link.ts';
import { FAST_FACTOR, PIECE_BYTES, type SimOptions, SLOW_FACTOR } from './options.ts';
import { SimOrigin } from './origin.ts';
import { SimScheduler } from './scheduler.ts';
import { Trace } from './trace.ts';

/** The scheduler is there before the first host comes, so long that it takes nobody for a survivor of a restart. */
export const START_MS = 60_000;

/** Above 512 MiB a file would be cut into longer pieces, so there are more files instead. */
const PIECES_PER_FILE = 512;

export interface Zone {
  readonly name: string;
  readonly out: Pipe;
  readonly in: Pipe;
}

export class World {
  readonly options: SimOptions;
  readonly agenda = new Agenda();
  readonly flows = new Flows(this.agenda);
  readonly random: Random;
  readonly map: PieceMap;
  readonly snapshot: SnapshotId;
  readonly zones: readonly Zone[];
  readonly origin: SimOrigin;
  readonly scheduler: SimScheduler;
  readonly hosts: readonly SimHost[];
  /** Of the hosts, by their numbers. */
  readonly ids: readonly PeerId[];
  readonly inboxes: Inboxes;
  readonly checks: Checks;
  readonly trace = new Trace(this.agenda);
  /** Hosts that are expected to complete and have not yet. */
  readonly unfinished = new Set<SimHost>();
  #lastChannelId = 0;
  readonly #byId = new Map<PeerId, SimHost>();

  constructor(options: SimOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
    const manifest = createManifest(files(options.pieces));
    this.map = new PieceMap(manifest);
    this.snapshot = manifest.id;
    this.zones = Array.from({ length: options.zones }, (_, at) => {
      const bytesPerMs = options.zoneBytesPerSecond / 1000;
      return { name: `zone-${at}`, out: new Pipe(bytesPerMs), in: new Pipe(bytesPerMs) };
    });
    this.checks = new Checks(this);
    this.origin = new SimOrigin(this);
    this.scheduler = new SimScheduler(this);
    this.hosts = Array.from({ length: options.seeds + options.peers }, (_, index) => this.#createHost(index));
    this.ids = this.hosts.map(({ info }) => info.id);
    this.inboxes = new Inboxes(this.hosts.length);
    for (const host of this.hosts) this.#byId.set(host.info.id, host);
  }

  get seeds(): readonly SimHost[] {
    return this.hosts.slice(0, this.options.seeds);
  }

  get peers(): readonly SimHost[] {
    return this.hosts.slice(this.options.seeds);
  }

  #createHost(index: number): SimHost {
    const { linkBytesPerSecond, slow, fast, seeds } = this.options;
    const draw = index >= seeds ? this.random() : 1;
    const isSlow = draw < slow;
    const isFast = !isSlow && draw < slow + fast;
    const zone = this.zones[index % this.zones.length];
    if (!zone) throw new AnaxError('internal', 'a world has zones');
    const factor = isSlow ? SLOW_FACTOR : isFast ? FAST_FACTOR : 1;
    return new SimHost(this, {
      index,
      zone,
      bytesPerMs: (linkBytesPerSecond / 1000) * factor,
      isSlow,
      isFast,
    });
  }

  host(id: PeerId): SimHost {
    const found = this.#byId.get(id);
    if (!found) throw new AnaxError('internal', `no host ${id}`);
    return found;
  }

  /** The scheduler and the seeds first, then the peers, each at a random moment. */
  start(): void {
    this.agenda.at(0, () => this.scheduler.start());
    for (const host of this.hosts) {
      const delayMs = host.info.role === 'seed' ? 0 : 1 + this.random() * this.options.arrivalMs;
      if (host.info.role === 'seed' && this.options.warmSeed) host.fill();
      this.unfinished.add(host);
      this.agenda.at(START_MS + delayMs, () => host.start());
    }
  }

  /** From then on the first peer gives a hundredth of what it gave. */
  slowOneDown(atMs: number): void {
    const [peer] = this.peers;
    if (peer) this.agenda.at(atMs, () => this.flows.resize(peer.up, peer.up.bytesPerMs / 100));
  }

  /** Runs until all that should be complete are; false where they are not by `untilMs`. */
  run(untilMs: number): boolean {
    while (this.unfinished.size > 0) if (!this.agenda.runNext(untilMs)) return false;
    return true;
  }

  connect(left: LinkNode, right: LinkNode, latencyMs: number): Link {
    return new Link([left, right], latencyMs, this.agenda, this.flows);
  }

  /** The latencies that links between hosts have. */
  get latenciesMs(): readonly number[] {
    const { latencyMs, zoneLatencyMs } = this.options;
    return this.zones.length === 1 || latencyMs === zoneLatencyMs ? [latencyMs] : [latencyMs, zoneLatencyMs];
  }

  latencyMs(left: SimHost, right: SimHost): number {
    return left.zone === right.zone ? this.options.latencyMs : this.options.zoneLatencyMs;
  }

  nextChannelId(): number {
    this.#lastChannelId += 1;
    return this.#lastChannelId;
  }

  /** What bytes from one host to another go through. */
  pipes(from: SimHost, to: SimHost): Pipe[] {
    const isLimited = from.zone !== to.zone && Number.isFinite(from.zone.out.bytesPerMs);
    return isLimited ? [from.up, to.down, from.zone.out, to.zone.in] : [from.up, to.down];
  }
}

function files(pieces: number) {
  const count = Math.ceil(pieces / PIECES_PER_FILE);
  return Array.from({ length: count }, (_, at) => ({
    path: parseRepoPath(`model-${String(at).padStart(6, '0')}.bin`),
    sizeBytes: Math.min(PIECES_PER_FILE, pieces - at * PIECES_PER_FILE) * PIECE_BYTES,
    digest: digestOf('sha256', Buffer.from(`model ${at}`)),
  }));
}
