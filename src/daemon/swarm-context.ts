// What the parts of a swarm session share. The session makes it; the parts speak to each other through it.

import {
  type AnaxError,
  type BlobStore,
  type Clock,
  type Credentials,
  type Digest,
  hasCode,
  type Identity,
  type Logger,
  type PeerId,
  type PeerInfo,
  type PieceHash,
  type PieceMap,
  type SnapshotId,
  type Source,
  type StoredSnapshot,
  type TrustedReaders,
} from '../core/index.ts';
import type { SchedulerLink } from '../scheduler-server/index.ts';
import type { SwarmEvent, SwarmLimits } from '../swarm/index.ts';
import type { BlobTask } from './blob-task.ts';
import type { OriginBudget } from './origin-budget.ts';
import type { OriginReadJob } from './origin-read.ts';
import type { PeerLinks } from './peer-links.ts';
import type { Slots } from './slots.ts';
import type { Turns } from './turns.ts';
import type { PieceView, Uploads } from './uploads.ts';

export interface SessionDeps {
  readonly identity: Identity;
  /** What others are told of this host. */
  readonly self: PeerInfo;
  readonly store: BlobStore;
  readonly hash: PieceHash;
  readonly links: PeerLinks;
  readonly uploads: Uploads;
  readonly scheduler: SchedulerLink;
  readonly source: Source;
  readonly limits: Partial<SwarmLimits>;
  /** Takes what an origin gives in this thread. */
  readonly intakeOf: OriginReadJob['intakeOf'];
  /** Resolves when bytes that were taken from the origin fit the host's download rate. */
  readonly pace: (bytes: number, signal: AbortSignal) => Promise<void>;
  /** This host's part of what the cluster may ask of the snapshot's origin. */
  readonly budget: OriginBudget;
  /** Has a seed take part in the snapshot's swarm, reading with these credentials. */
  readonly invite: (seed: PeerInfo, snapshot: StoredSnapshot, credentials: Credentials) => Promise<void>;
  /** Pieces that this host takes from lenders of blobs at once. */
  readonly borrowSlots: Slots;
  /** Who fetches a stored blob, of all swarms of this host. */
  readonly turns: Turns<Digest>;
  /** A piece of a stored blob came in; other swarms of this host may lack it, too. */
  readonly onPiece: (digest: Digest, index: number, snapshot: SnapshotId) => void;
  /** A blob is complete that others may want to borrow. */
  readonly onShareable: () => void;
  /** The file behind a stored blob is not what was committed. */
  readonly onDamage: (digest: Digest) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Bytes since the session began, by where they came from. */
export interface ByteCounters {
  fromPeers: number;
  fromOrigin: number;
  /** Held when the session began. */
  fromCache: number;
}

export interface SwarmContext {
  readonly deps: SessionDeps;
  readonly snapshot: StoredSnapshot;
  readonly map: PieceMap;
  readonly trust: TrustedReaders;
  readonly tasks: Map<Digest, BlobTask>;
  readonly counters: ByteCounters;
  /** Aborted when the session stops. */
  readonly signal: AbortSignal;
  /** Tells the machine what happened, and has its decisions carried out. */
  readonly feed: (event: SwarmEvent) => void;
  /** How many pieces a neighbour is known to hold. */
  readonly heldBy: (peer: PeerId) => number;
  /** What decides when a neighbour that asks for a piece is served. */
  readonly viewOf: (peer: PeerId, piece: number) => PieceView;
  /** Keeps work that nobody awaits: its failure is logged, and stopping waits for it. */
  readonly run: (work: Promise<void>) => void;
}

/** The blob that a snapshot's piece is in, and its place there. */
export function locateTask(context: SwarmContext, piece: number): { task: BlobTask; index: number } {
  const { blob, index } = context.map.locate(piece);
  const task = context.tasks.get(blob.digest);
  if (!task) throw new Error(`no task for ${blob.digest}`);
  return { task, index };
}

/** A file of the snapshot that has this content, for messages. */
export function pathOf({ snapshot }: SwarmContext, digest: Digest): string {
  return snapshot.manifest.files.find((file) => file.digest === digest)?.path ?? digest;
}

/** Whether the host's own disk is the trouble: then nothing more can come in. */
export function isDiskError(error: unknown): error is AnaxError {
  return hasCode(error, 'disk_full', 'disk_io', 'output_unwritable');
}

/** Whether this host has a reader grant in this swarm. */
export function isReader({ trust, deps }: SwarmContext): boolean {
  return trust.isReader(deps.identity.id);
}
