// What this host gives of single blobs to readers of other swarms (docs/adr/0011). Each has a channel for the blob, and
// asks for pieces in its own cut. Who may ask for what is said by held-blobs.ts.
//
// Invariant: only what is complete is lent, and it is closed when its reader has gone.

import {
  Bitfield,
  type BlobKey,
  type BlobSpec,
  type BlobStore,
  type Clock,
  type Digest,
  type Logger,
  MAX_PIECE_LENGTH_BYTES,
  MIN_PIECE_LENGTH_BYTES,
  type OpenBlob,
  type PieceHash,
  type PieceSpan,
  pieceCount,
  pieceSize,
  toErrorRecord,
  unsignedProof,
} from '../core/index.ts';
import type { IncomingMessage } from '../transport/index.ts';
import type { Channel, ChannelOwner, OpenMessage } from './peer-links.ts';
import { Slots } from './slots.ts';
import type { Uploads } from './uploads.ts';

/** A blob that nobody asked for so long can be closed for room. */
const QUIET_MS = 60_000;

export interface LenderDeps {
  readonly store: Pick<BlobStore, 'find' | 'open'>;
  readonly hash: PieceHash;
  readonly uploads: Uploads;
  readonly clock: Clock;
  /** The stored blob that a key means, if it may be lent. */
  readonly blobOf: (key: BlobKey) => Digest | undefined;
  readonly closeChannel: (channel: Channel) => void;
  /** Looks at a stored piece; whether it was wrong, and is dropped. */
  readonly look: (open: OpenBlob, index: number) => Promise<boolean>;
  /** The file behind a stored blob is not what was committed. */
  readonly onDamage: (digest: Digest) => Promise<void>;
  readonly logger: Logger;
}

export class Lender {
  readonly #deps: LenderDeps;
  readonly #loans = new Set<Loan>();
  /** Pieces that are hashed in a cut that is not the stored one. */
  readonly #hashing = new Slots(1);

  constructor(deps: LenderDeps) {
    this.#deps = deps;
  }

  /** Who answers a channel that is opened for a blob; `undefined` where it is not lent. */
  ownerOf(key: BlobKey): ChannelOwner | undefined {
    const digest = this.#deps.blobOf(key);
    if (digest === undefined) return undefined;
    const loan = new Loan(this.#deps, { key, digest, hashing: this.#hashing }, () =>
      this.#loans.delete(loan),
    );
    this.#loans.add(loan);
    return loan;
  }

  /** A reader got a piece that has not its digest. Whether it was wrong, and is dropped. */
  async suspect(key: BlobKey, piece: number): Promise<boolean> {
    const loan = Array.from(this.#loans).find((one) => one.key === key);
    return (await loan?.look(piece)) ?? false;
  }

  /** Ends what is lent of these blobs, so that they can be removed. */
  async end(digests: ReadonlySet<Digest>): Promise<void> {
    const affected = Array.from(this.#loans).filter(({ digest }) => digests.has(digest));
    await Promise.all(affected.map((loan) => loan.end()));
  }

  /** The same for one, where its reader has not asked for a while. */
  async endQuiet(digest: Digest): Promise<void> {
    const before = this.#deps.clock.now() - QUIET_MS;
    const quiet = Array.from(this.#loans).filter(
      (loan) => loan.digest === digest && loan.lastAskedMs <= before,
    );
    await Promise.all(quiet.map((loan) => loan.end()));
  }

  async stop(): Promise<void> {
    await Promise.all(Array.from(this.#loans, (loan) => loan.end()));
  }
}

interface LoanFacts {
  readonly key: BlobKey;
  readonly digest: Digest;
  readonly hashing: Slots;
}

/** One blob for one reader, over one channel. */
class Loan implements ChannelOwner {
  readonly #deps: LenderDeps;
  readonly #facts: LoanFacts;
  readonly #onEnd: () => void;
  #channel: Channel | undefined;
  #opening: Promise<OpenBlob | undefined> = Promise.resolve(undefined);
  #open: OpenBlob | undefined;
  /** As the reader cuts it. */
  #cut: BlobSpec | undefined;
  #ended: Promise<void> | undefined;
  lastAskedMs: number;

  constructor(deps: LenderDeps, facts: LoanFacts, onEnd: () => void) {
    this.#deps = deps;
    this.#facts = facts;
    this.#onEnd = onEnd;
    this.lastAskedMs = deps.clock.now();
  }

  get digest(): Digest {
    return this.#facts.digest;
  }

  get key(): BlobKey {
    return this.#facts.key;
  }

  /** Only what has a digest from before can be found wrong. */
  async look(piece: number): Promise<boolean> {
    const [open, cut] = [this.#open, this.#cut];
    if (!open || cut?.pieceLengthBytes !== open.spec.pieceLengthBytes || piece >= pieceCount(cut))
      return false;
    return await this.#deps.look(open, piece);
  }

  onOpen(channel: Channel, { pieceCount: pieces }: OpenMessage): void {
    this.#channel = channel;
    this.#opening = this.#begin(channel, pieces).catch(() => undefined);
    void this.#opening.then((open) => {
      if (!open) void this.end('refused');
    });
  }

  async #begin(channel: Channel, pieces: number): Promise<OpenBlob | undefined> {
    const found = await this.#deps.store.find(this.digest);
    const cut = found && cutInto(found, pieces);
    if (!found || !cut || found.pack !== undefined || this.#ended) return undefined;
    const open = await this.#deps.store.open(found);
    if (open.state !== 'complete') {
      await open.close();
      return undefined;
    }
    this.#open = open;
    this.#cut = cut;
    const bitfield = Bitfield.full(pieces).toBytes();
    channel.link.send({ kind: 'opened', channel: channel.id, bitfield });
    return open;
  }

  onMessage(channel: Channel, message: IncomingMessage): void {
    if (message.kind === 'request') void this.#serve(channel, message.piece);
    else if (message.kind === 'cancel') this.#deps.uploads.cancel(channel.peer, channel.id, message.piece);
    else if (message.kind === 'close' || message.kind === 'refused') this.onClosed();
    // Who borrows has nothing to say of what it holds or believes.
  }

  onClosed(): void {
    void this.end('closed');
  }

  /** Idempotent. */
  end(how: 'refused' | 'closed' | 'over' = 'over'): Promise<void> {
    this.#ended ??= this.#end(how);
    return this.#ended;
  }

  async #end(how: 'refused' | 'closed' | 'over'): Promise<void> {
    this.#onEnd();
    if (this.#channel && how !== 'closed') {
      const { link, id: channel } = this.#channel;
      if (how === 'refused') link.send({ kind: 'refused', channel, code: 'unknown-snapshot' });
      this.#deps.closeChannel(this.#channel);
    }
    const open = await this.#opening;
    await open?.close();
  }

  async #serve({ peer, link, id: channel }: Channel, piece: number): Promise<void> {
    const { uploads, clock } = this.#deps;
    this.lastAskedMs = clock.now();
    const digest = await this.#digestOf(piece).catch(() => undefined);
    const [open, cut] = [this.#open, this.#cut];
    if (!digest || !open || !cut || this.#ended) {
      link.send({ kind: 'reject', channel, piece, code: 'not-held', retryAfterMs: 0 });
      return;
    }
    const sizeBytes = pieceSize(cut, piece);
    const span = (): PieceSpan => spanOf(open, cut, piece);
    const source = { sizeBytes, proof: unsignedProof(digest), span, onDamage: () => void this.#damaged() };
    // A reader takes in order and from several: which piece goes first is its own to say.
    const wish = { heldCount: 0, view: { rarity: () => 0, hasUnsent: () => false, usualMs: () => 0 } };
    uploads.ask({ peer, channel, snapshot: this.#facts.key, piece, sizeBytes, link, source, ...wish });
  }

  async #damaged(): Promise<void> {
    const { onDamage, logger } = this.#deps;
    await onDamage(this.digest).catch((error: unknown) => {
      logger.warn('a damaged blob was not looked at', { digest: this.digest, error: toErrorRecord(error) });
    });
  }

  /** The digest of a piece as the reader cuts it; `undefined` where there is no such piece. */
  async #digestOf(piece: number): Promise<Uint8Array | undefined> {
    const [open, cut] = [this.#open, this.#cut];
    if (!open || !cut || piece >= pieceCount(cut)) return undefined;
    if (cut.pieceLengthBytes === open.spec.pieceLengthBytes) return open.proof(piece)?.digest;
    return await this.#facts.hashing.run(async () => this.#deps.hash(await readPiece(open, cut, piece)));
  }
}

/** The cut of a blob that has so many pieces. Where several have, it is one piece, and all are the same. */
function cutInto(blob: BlobSpec, pieces: number): BlobSpec | undefined {
  const { digest, sizeBytes } = blob;
  for (let length = MIN_PIECE_LENGTH_BYTES; length <= MAX_PIECE_LENGTH_BYTES; length *= 2) {
    const cut = { digest, sizeBytes, pieceLengthBytes: length };
    if (pieceCount(cut) === pieces) return cut;
  }
  return undefined;
}

/** A complete blob is one file, in which a piece of any cut lies in one stretch. */
function spanOf(open: OpenBlob, cut: BlobSpec, piece: number): PieceSpan {
  const at = piece * cut.pieceLengthBytes;
  const own = Math.floor(at / open.spec.pieceLengthBytes);
  const place = open.span(own);
  return { ...place, offsetBytes: place.offsetBytes + at - own * open.spec.pieceLengthBytes };
}

async function readPiece(open: OpenBlob, cut: BlobSpec, piece: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(pieceSize(cut, piece));
  const start = piece * cut.pieceLengthBytes;
  const { pieceLengthBytes } = open.spec;
  for (let done = 0; done < bytes.length; ) {
    const own = Math.floor((start + done) / pieceLengthBytes);
    const offset = start + done - own * pieceLengthBytes;
    const size = Math.min(bytes.length - done, pieceSize(open.spec, own) - offset);
    await open.read(own, offset, bytes.subarray(done, done + size));
    done += size;
  }
  return bytes;
}
