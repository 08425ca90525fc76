// The side under test: an owner that uses its link as a daemon does, only faster and with less sense.

import { AnaxError, type PieceProof, type SnapshotId } from '../../src/core/index.ts';
import type { IncomingMessage, LinkHandlers, OpenMessage, PeerLink } from '../../src/transport/index.ts';
import type { Chance } from './chance.ts';

export const SNAPSHOT = 'cd'.repeat(32) as SnapshotId;
export const PIECES = 64;
const MAX_PIECE_BYTES = 2 * 1024 * 1024;
const ACTIONS = 12;

export const proof: PieceProof = {
  digest: new Uint8Array(32).fill(1),
  signer: '00'.repeat(16) as PieceProof['signer'],
  signature: new Uint8Array(64).fill(2),
};

/** Both sides know it from the manifest. */
export function pieceBytes(piece: number): number {
  return piece % 7 === 0 ? 1 + piece : Math.min(MAX_PIECE_BYTES, 1000 + piece * 33_333);
}

/** Uses the link until it ends. What it waits for must settle by then: `done` says that it did. */
export function own(
  link: PeerLink,
  chance: Chance,
): { readonly handlers: LinkHandlers; done: Promise<void> } {
  const work: Promise<unknown>[] = [];
  const keep = (promise: Promise<unknown>): void => void work.push(promise.catch(refuseBugs));
  const ask = (channel: number): void => {
    for (let times = chance.whole(1, 6); times > 0; times -= 1) keep(request(link, channel, chance));
  };
  const handlers: LinkHandlers = {
    onMessage: (message) => {
      if (message.kind === 'opened') ask(message.channel);
      else if (message.kind === 'open') {
        if (answerOpen(link, message, chance) && chance.often(0.7)) ask(message.channel);
      } else if (message.kind === 'request') keep(give(link, message, chance));
    },
    onCall: async (method, body) => {
      if (chance.often(0.2)) throw new AnaxError('blob_not_found', method);
      return chance.often(0.1) ? new Uint8Array(600_000) : body;
    },
  };
  keep(wander(link, chance));
  const done = link.closed.then(async () => void (await Promise.all(work)));
  return { handlers, done };
}

function refuseBugs(error: unknown): void {
  if (error instanceof AnaxError || (error instanceof Error && error.name === 'AbortError')) return;
  throw error;
}

/** Whether the channel is open then. */
function answerOpen(link: PeerLink, { channel, pieceCount }: OpenMessage, chance: Chance): boolean {
  if (pieceCount !== PIECES || chance.often(0.1)) {
    link.send({ kind: 'refused', channel, code: 'mismatch' });
    return false;
  }
  link.send({ kind: 'opened', channel, bitfield: new Uint8Array(PIECES / 8).fill(255) });
  return true;
}

async function request(link: PeerLink, channel: number, chance: Chance): Promise<void> {
  const abort = new AbortController();
  const piece = chance.whole(0, PIECES - 1);
  if (asked(link, channel).has(piece)) return;
  asked(link, channel).add(piece);
  if (chance.often(0.3)) setTimeout(() => abort.abort(), chance.whole(0, 20));
  try {
    const received = await link.requestPiece({
      channel,
      piece,
      sizeBytes: pieceBytes(piece),
      signal: abort.signal,
    });
    received.release();
  } finally {
    asked(link, channel).delete(piece);
  }
}

const underWay = new WeakMap<PeerLink, Map<number, Set<number>>>();

/** A piece is asked for once at a time: that is the owner's to see to. */
function asked(link: PeerLink, channel: number): Set<number> {
  const channels = underWay.get(link) ?? new Map<number, Set<number>>();
  underWay.set(link, channels);
  const pieces = channels.get(channel) ?? new Set<number>();
  channels.set(channel, pieces);
  return pieces;
}

async function give(link: PeerLink, message: IncomingMessage, chance: Chance): Promise<void> {
  if (message.kind !== 'request') return;
  const { channel, piece } = message;
  if (chance.often(0.1)) {
    link.send({ kind: 'reject', channel, piece, code: 'busy', retryAfterMs: 5 });
    return;
  }
  await link.sendPiece({
    channel,
    piece,
    sizeBytes: pieceBytes(piece),
    proof,
    read: async (_offset, target) => {
      if (chance.often(0.02)) throw new AnaxError('disk_io');
      target.fill(piece);
    },
  });
}

/** Does this and that of its own accord. */
async function wander(link: PeerLink, chance: Chance): Promise<void> {
  let isOpen = true;
  void link.closed.then(() => {
    isOpen = false;
  });
  const channels: number[] = [];
  for (let times = chance.whole(0, ACTIONS); times > 0 && isOpen; times -= 1) {
    await new Promise((resolve) => setTimeout(resolve, chance.whole(0, 5)));
    if (!isOpen) return;
    const kind = chance.of(['open', 'call', 'have', 'close', 'abandon'] as const);
    if (kind === 'open') {
      channels.push(link.open({ snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() }));
    } else if (kind === 'call') {
      await link.call('echo', new Uint8Array(chance.whole(0, 5000)), { timeoutMs: 50 }).catch(refuseBugs);
    } else if (kind === 'abandon') {
      await link.call('echo', new Uint8Array(9), { signal: AbortSignal.timeout(1) }).catch(() => undefined);
    } else {
      const channel = channels.pop();
      if (channel === undefined) continue;
      link.send(kind === 'close' ? { kind, channel } : { kind, channel, pieces: [1, 2, 3] });
    }
  }
}
