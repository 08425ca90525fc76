// What a host gives: carries out the upload queue's decisions, as src/daemon/uploads.ts does, as transfers.

import type { UploadQueue, Wish, WishView } from '../swarm/index.ts';
import {
  addWish,
  createUploadQueue,
  endServe,
  hasUnsent,
  nextWish,
  rarityFor,
  removeChild,
  removeWish,
  usualServeMs,
  waitsUntilMs,
} from '../swarm/index.ts';
import type { Channel } from './exchange.ts';
import type { Transfer } from './flows.ts';
import type { SimHost } from './host.ts';
import type { Link } from './link.ts';
import { PIECE_BYTES } from './options.ts';
import type { World } from './world.ts';

/** As in src/daemon/uploads.ts. */
const BUSY_RETRY_MS = 250;

/** Of a liar's pieces, so many are corrupt. */
const LIE_SHARE = 0.3;

interface Asked extends Wish {
  readonly via: Channel;
}

interface Serve {
  readonly asked: Asked;
  readonly transfer: Transfer;
}

export class Uploads {
  readonly #world: World;
  readonly #host: SimHost;
  readonly #queue: UploadQueue;
  readonly #view: WishView;
  readonly #running = new Set<Serve>();
  #isWakeUpSet = false;
  #isStopped = false;

  constructor(world: World, host: SimHost) {
    this.#world = world;
    this.#host = host;
    this.#queue = createUploadQueue(world.options.uploads);
    this.#view = {
      rarityOf: ({ peer, piece }) => (host.session ? rarityFor(host.session.state, peer, piece) : 0),
      hasUnsent: ({ peer }, wasSent) => (host.session ? hasUnsent(host.session.state, peer, wasSent) : false),
      usualMs: ({ peer }) => (host.session ? usualServeMs(host.session.state, peer) : 0),
    };
  }

  ask(via: Channel, piece: number): void {
    const peer = via.other.info.id;
    const { snapshot } = this.#world;
    const heldCount = this.#host.session?.heldBy(via.other) ?? 0;
    const wish: Asked = { peer, channel: via.id, snapshot, piece, sizeBytes: PIECE_BYTES, heldCount, via };
    if (addWish(this.#queue, wish)) this.#pump();
    else this.#host.session?.exchange.reject(via, piece, 'busy', BUSY_RETRY_MS);
  }

  cancel(via: Channel, piece: number): void {
    if (removeWish(this.#queue, via.other.info.id, via.id, piece)) return;
    for (const serve of this.#running) {
      if (serve.asked.via === via && serve.asked.piece === piece) this.#abort(serve);
    }
  }

  /** The link is gone, and all that was asked over it. */
  forget(link: Link): void {
    for (const serve of this.#running) if (serve.asked.via.link === link) this.#abort(serve);
    for (const end of link.ends) {
      const host = end as SimHost;
      if (host !== this.#host && host.info) removeChild(this.#queue, host.info.id);
    }
  }

  #wake(): void {
    this.#isWakeUpSet = false;
    if (!this.#isStopped) this.#pump();
  }

  stop(): void {
    this.#isStopped = true;
    for (const { transfer, asked } of this.#running) {
      this.#world.flows.stop(transfer);
      asked.via.link.transfers.delete(transfer);
    }
    this.#running.clear();
  }

  #pump(): void {
    const { agenda } = this.#world;
    for (;;) {
      const wish = nextWish(this.#queue, this.#view, agenda.nowMs);
      if (!wish) break;
      this.#serve(wish as Asked);
    }
    const untilMs = waitsUntilMs(this.#queue);
    if (untilMs !== undefined && !this.#isWakeUpSet) {
      this.#isWakeUpSet = true;
      agenda.after(Math.max(1, Math.ceil(untilMs - agenda.nowMs)), () => this.#wake());
    }
    this.#world.checks.uploading(this.#running.size, this.#queue.limits.maxActive);
  }

  #serve(asked: Asked): void {
    const { link, other, twin } = asked.via;
    const pipes = this.#world.pipes(this.#host, other);
    const transfer = this.#world.flows.start(pipes, asked.sizeBytes, () => this.#sent(serve));
    const serve: Serve = { asked, transfer };
    this.#running.add(serve);
    link.carry(transfer);
    link.send(() => twin.exchange?.onBegun(twin, asked.piece));
  }

  #sent(serve: Serve): void {
    const { asked } = serve;
    const { sizeBytes, piece } = asked;
    const { link, other, twin } = asked.via;
    this.#host.sentBytes += sizeBytes;
    if (other.zone !== this.#host.zone) this.#host.crossZoneBytes += sizeBytes;
    const isCorrupt = this.#host.isLiar && this.#world.random() < LIE_SHARE;
    link.send(() => twin.exchange?.onPiece(twin, piece, isCorrupt));
    this.#end(serve, true);
  }

  #abort(serve: Serve): void {
    const leftBytes = this.#world.flows.stop(serve.transfer);
    this.#world.checks.wastedBytes += serve.asked.sizeBytes - leftBytes;
    this.#end(serve, false);
  }

  #end(serve: Serve, isSent: boolean): void {
    this.#running.delete(serve);
    serve.asked.via.link.transfers.delete(serve.transfer);
    endServe(this.#queue, serve.asked, isSent, this.#world.agenda.nowMs);
    this.#pump();
  }
}
