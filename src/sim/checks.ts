// What must hold at every moment of a simulation, whatever goes wrong in it. A broken rule ends the run.

import type { PeerId, Range } from '../core/index.ts';
import type { SimHost } from './host.ts';
import { PIECE_BYTES } from './options.ts';
import type { Session } from './session.ts';
import type { World } from './world.ts';

/** A reader that is connected hears within this time that another was granted its pieces. */
const FENCE_MS = 5_000;

export class SimViolation extends Error {
  override name = 'SimViolation';
}

export class Checks {
  schedulerMessages = 0;
  /** What hosts sent each other, by kind. */
  readonly messages = { request: 0, cancel: 0, have: 0 };
  /** Sent and not wanted any more. */
  wastedBytes = 0;
  /** Of pieces that were being read from the origin when the reading ended. */
  abandonedBytes = 0;
  /** Faults that may cost the origin what its reader had not given on. */
  faults = 0;
  readonly #world: World;
  /** How often each piece may be read again: nobody in reach had it when it was granted. */
  readonly #mayRepeat: Uint16Array;
  #unexcused = 0;
  readonly #heldBefore = new WeakMap<Session, number>();

  constructor(world: World) {
    this.#world = world;
    this.#mayRepeat = new Uint16Array(world.map.pieceCount);
  }

  /** Sessions end with nothing of theirs left to check. */
  ended(session: Session): void {
    this.#heldBefore.delete(session);
  }

  announced(host: SimHost, piece: number): void {
    if (!host.disk.has(piece)) fail(`host ${host.index} announced piece ${piece}, which it has not stored`);
  }

  stored(host: SimHost, session: Session): void {
    const { held } = session.state;
    if (held.count !== host.disk.count) fail(`host ${host.index} counts other pieces than it stored`);
    if (held.count < (this.#heldBefore.get(session) ?? 0)) fail(`host ${host.index} lost pieces`);
    this.#heldBefore.set(session, held.count);
  }

  requested(host: SimHost, { state, exchange }: Session, peer: PeerId): void {
    const { maxClaimedBytes, linkWindowBytes, wishesPerSender, solePiecesPerLink } = state.limits;
    const asked = state.links.get(peer)?.asked.length ?? 0;
    const window = Math.max(wishesPerSender * PIECE_BYTES, linkWindowBytes, solePiecesPerLink * PIECE_BYTES);
    if (asked * PIECE_BYTES > window) fail(`host ${host.index} asked ${asked} pieces of one neighbour`);
    if (state.claimedBytes >= maxClaimedBytes + PIECE_BYTES) {
      fail(`host ${host.index} has ${state.claimedBytes} bytes in flight`);
    }
    if (exchange.banned.size === 0) return;
    if (exchange.banned.has(this.#world.host(peer))) fail(`host ${host.index} asked a banned peer`);
  }

  uploading(running: number, limit: number): void {
    if (running > limit) fail(`${running} pieces are sent at once, the limit is ${limit}`);
  }

  /** A lease is granted: what nobody in reach holds may be read again if it was read before. */
  granted(reader: SimHost, epoch: number, spans: readonly Range[]): void {
    const inReach = this.#world.hosts.filter(({ session }) => (session?.attendance.connectedMs ?? 0) > 0);
    const staleReader = this.#world.hosts.some(
      ({ session }) => session && session.reader.leaseEpoch > 0 && session.reader.leaseEpoch < epoch,
    );
    for (const { start, end } of spans) {
      for (let piece = start; piece < end; piece += 1) {
        if (!this.#isRead(piece)) continue;
        const isHeld = inReach.some(({ disk, isLiar }) => !isLiar && disk.has(piece));
        this.#mayRepeat[piece] = (this.#mayRepeat[piece] ?? 0) + (isHeld && !staleReader ? 0 : 1);
      }
    }
    this.#world.trace.note(epoch, reader.index);
  }

  /** Whether a piece was read, or is being read. */
  #isRead(piece: number): boolean {
    if ((this.#world.origin.readCounts[piece] ?? 0) > 0) return true;
    return this.#readers({ start: piece, end: piece + 1 }).length > 0;
  }

  /**
   * A read begins: nobody else may be reading the same, unless one of both can't know yet that its lease is over. A
   * reader that was elected and the one of a scheduler that it can't reach know of each other when they attend the same.
   */
  reading(reader: SimHost, pieces: Range): void {
    const mine = leaseOf(reader);
    for (const other of this.#overlapping(reader, pieces)) {
      const epoch = leaseOf(other);
      const isFenced = epoch < mine || !isSettled(reader) || !isSettled(other);
      if (!isFenced) fail(`hosts ${reader.index} and ${other.index} read the same under one epoch`);
      this.#world.agenda.after(FENCE_MS, () => {
        const isStill = leaseOf(other) === epoch && leaseOf(reader) === mine;
        const isBoth = isStill && this.#overlapping(reader, pieces).includes(other);
        const isKnown = isSettled(reader) && isSettled(other);
        if (isBoth && isKnown) fail(`host ${other.index} reads on under the stale epoch ${epoch}`);
      });
    }
  }

  #overlapping(reader: SimHost, pieces: Range): SimHost[] {
    return this.#readers(pieces).filter((host) => host !== reader);
  }

  /** Hosts that read some of these pieces. */
  #readers(pieces: Range): SimHost[] {
    return this.#world.hosts.filter(({ session }) => {
      if (!session) return false;
      return [...session.reader.running()].some(({ start, end }) => start < pieces.end && end > pieces.start);
    });
  }

  /** A piece came from the origin. */
  readPiece(piece: number): void {
    const count = this.#world.origin.readCounts[piece] ?? 0;
    if (count <= 1 + (this.#mayRepeat[piece] ?? 0)) return;
    this.#unexcused += 1;
    if (this.#unexcused <= this.faults * this.#leadPieces) return;
    const again = `${this.#unexcused} pieces were read again, after ${this.faults} faults`;
    fail(`piece ${piece} was read ${count} times; ${again}`);
  }

  /** What a reader may have read and not given on: its lead, a piece for each read, and what was just being granted. */
  get #leadPieces(): number {
    const { originLeadBytes = 32 * PIECE_BYTES, originReads = 4 } = this.#world.options.swarm;
    return originLeadBytes / PIECE_BYTES + 3 * originReads;
  }
}

function fail(rule: string): never {
  throw new SimViolation(rule);
}

function leaseOf({ session }: SimHost): number {
  return session?.reader.leaseEpoch ?? 0;
}

/** Whether a host has attended for so long that it knows whether its lease holds. */
function isSettled({ session }: SimHost): boolean {
  return (session?.attendance.connectedMs ?? 0) >= FENCE_MS;
}
