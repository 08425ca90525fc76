// A peer in this process that attends a real scheduler, downloads honestly, and then lies to whoever asks it.

import { join } from 'node:path';
import { createIdentity, type PeerId, type SnapshotId, silentLogger } from '../../core/index.ts';
import { Engine } from '../../daemon/index.ts';
import { loadPieceHash } from '../../hashing/index.ts';
import { connectScheduler } from '../../scheduler-server/index.ts';
import { createSources } from '../../sources/index.ts';
import { openBlobStore } from '../../store/index.ts';
import { systemClock } from '../../system/index.ts';
import { type ForgingLink, forgingLink } from './forging-link.ts';
import { forgedProof, otherPiece, wrongByte } from './lies.ts';
import { lyingStore, type Tongue } from './lying-store.ts';

export type LieName = 'wrong byte' | 'forged proof' | 'other piece';

export interface LyingPeerOptions {
  readonly folder: string;
  readonly schedulerPort: number;
  readonly hubUrl: string;
  readonly lie: LieName;
}

export interface LyingPeer {
  readonly peerId: PeerId;
  /** Pieces that it began to serve since it lies. */
  readonly served: number;
  /** Takes part in a repository's swarm until it has all of it. */
  download(url: string): Promise<void>;
  startLying(): void;
  stop(): Promise<void>;
}

export async function startLyingPeer(options: LyingPeerOptions): Promise<LyingPeer> {
  const identity = createIdentity();
  const { hash, createHasher } = await loadPieceHash();
  const lies = {
    'wrong byte': wrongByte(),
    'forged proof': forgedProof(identity, hash),
    'other piece': otherPiece(),
  };
  const tongue: Tongue = { lie: lies[options.lie], isLying: false, served: 0 };
  const common = { logger: silentLogger, clock: systemClock };
  const store = await openBlobStore({ ...common, folder: join(options.folder, 'store'), pieceHash: hash });
  const late: { link?: ForgingLink } = {};
  const engine = await Engine.open(
    {
      ...common,
      identity,
      hash,
      createHasher,
      random: Math.random,
      store: lyingStore(store, tongue),
      sources: createSources({ version: 'test', clock: systemClock, hfEndpoint: options.hubUrl }),
      schedulerFor: (self, rejoin) => {
        const url = `http://127.0.0.1:${options.schedulerPort}`;
        late.link = forgingLink(
          connectScheduler({ ...common, random: Math.random, url, self, rejoin }),
          identity,
        );
        return late.link;
      },
    },
    {
      self: { ...hostFacts(), id: identity.id, publicKey: identity.publicKey },
      listen: { host: '127.0.0.1', port: 0 },
      keepServing: true,
      hubEndpoints: { hf: options.hubUrl },
      cacheDir: options.folder,
      capacityBytes: undefined,
      schedulerAddress: undefined,
      originReads: 1,
      workers: 0,
      stallMs: 60_000,
    },
  );
  let snapshot: SnapshotId | undefined;
  return {
    peerId: identity.id,
    get served() {
      return tongue.served;
    },
    download: async (url) => {
      snapshot = await downloadInto(engine, url);
    },
    startLying: () => {
      tongue.isLying = true;
      if (options.lie === 'forged proof' && snapshot !== undefined) late.link?.forgeLease(snapshot);
    },
    stop: () => engine.close(),
  };
}

function hostFacts() {
  return { host: '127.0.0.1', role: 'peer', zone: '', hostname: 'liar', version: 'test' } as const;
}

async function downloadInto(engine: Engine, url: string): Promise<SnapshotId> {
  const request = { url, include: [], exclude: [], overwrite: false, dryRun: false };
  let snapshot: SnapshotId | undefined;
  for await (const event of engine.control.download(request, AbortSignal.timeout(60_000))) {
    if (event.kind === 'resolved') snapshot = event.snapshotId;
    if (event.kind === 'file_failed') throw new Error(`${event.path}: ${event.error.message}`);
  }
  if (snapshot === undefined) throw new Error('the download did not resolve');
  return snapshot;
}
