// Carries out what the succession machine decides (src/swarm/succession.ts): exchanges news of members with neighbours,
// asks for votes and answers candidates, over calls on the links between daemons.

import { z } from 'zod';
import {
  AnaxError,
  PEER_ID_BYTES,
  type PeerId,
  type PeerInfo,
  PUBLIC_KEY_BYTES,
  parsePeerId,
  peerIdOf,
  type Range,
  type ReaderGrant,
  type SnapshotId,
} from '../core/index.ts';
import {
  createSuccession,
  hearNews,
  isStarved,
  type MemberNews,
  newsOf,
  type SelfFacts,
  type SuccessionEffect,
  type SuccessionState,
  type SwarmState,
  successionTick,
  type Vote,
  vote,
  voteReceived,
} from '../swarm/index.ts';
import { readJson, writeJson } from './call-body.ts';
import type { Exchange } from './exchange.ts';
import { offeredPieces } from './offers.ts';
import type { OriginSide } from './origin-side.ts';
import { isReader, type SwarmContext } from './swarm-context.ts';

const CALL_TIMEOUT_MS = 3_000;
const MAX_ANSWER_BYTES = 262_144;
const MAX_NEWS = 512;

const label = z.string().max(255);
const newsShape = z.object({
  id: z.string().length(PEER_ID_BYTES * 2),
  publicKey: z.base64().max(64),
  host: label,
  port: z.int().min(0).max(65_535),
  role: z.enum(['peer', 'seed']),
  zone: label,
  hostname: label,
  version: label,
  ageMs: z.number().nonnegative(),
  isDeputy: z.boolean(),
  leaseEpoch: z.int().nonnegative(),
});
const gossipShape = z.object({ snapshot: z.string().max(64), news: z.array(newsShape).max(MAX_NEWS) });
const canvassShape = z.object({ snapshot: z.string().max(64) });
const voteShape = z.object({ yes: z.boolean(), epoch: z.int().nonnegative(), held: z.base64() });

/** The session's other parts, as far as the succession needs them. */
export interface SuccessionParts {
  readonly exchange: Pick<Exchange, 'peers'>;
  readonly origin: Pick<OriginSide, 'leaseEpoch' | 'takeLease'>;
  /** `undefined` until the session has opened its blobs. */
  readonly state: () => SwarmState | undefined;
}

/** The snapshot that a call between members is about. Throws `peer_protocol`. */
export function snapshotOfCall(body: Uint8Array): SnapshotId {
  return readJson(body, canvassShape).snapshot as SnapshotId;
}

export class Succession {
  readonly #context: SwarmContext;
  readonly #parts: SuccessionParts;
  readonly #state: SuccessionState;
  /** Kept until there is no scheduler any more. */
  #grant: ReaderGrant | undefined;

  constructor(context: SwarmContext, parts: SuccessionParts) {
    this.#context = context;
    this.#parts = parts;
    this.#state = createSuccession(context.deps.random);
  }

  get #nowMs(): number {
    return this.#context.deps.clock.now();
  }

  /** The scheduler gave this host a grant to be elected with. */
  appoint(grant: ReaderGrant): void {
    this.#grant = grant;
  }

  #facts(): SelfFacts {
    const context = this.#context;
    const { exchange, origin } = this.#parts;
    const state = this.#parts.state();
    return {
      info: context.deps.self,
      isAttended: context.deps.scheduler.connected,
      isDeputy: this.#grant !== undefined || isReader(context),
      leaseEpoch: origin.leaseEpoch,
      get isStarved() {
        return state !== undefined && isStarved(state);
      },
      lastProgressMs: state?.lastProgressMs ?? 0,
      get held() {
        return offeredPieces(context);
      },
      neighbours: exchange.peers,
    };
  }

  /** Elected by the members that it knows: its grant makes them believe it. */
  #read(epoch: number, spans: readonly Range[]): void {
    const { deps, trust, snapshot } = this.#context;
    const own = trust.grants().find(({ readerKey }) => peerIdOf(readerKey) === deps.identity.id);
    const grant = own ?? this.#grant;
    if (!grant) return;
    deps.logger.warn('no scheduler: elected to read the origin', { snapshot: snapshot.id, epoch });
    this.#parts.origin.takeLease(epoch, grant, spans);
  }

  tick(): void {
    this.#carryOut(successionTick(this.#state, this.#facts(), this.#nowMs));
  }

  /** Answers another member. */
  answer(method: 'gossip' | 'canvass', body: Uint8Array, peer: PeerId): Uint8Array {
    const self = this.#facts();
    if (method === 'canvass') {
      const { held, ...rest } = vote(this.#state, self, peer, this.#nowMs);
      return writeJson({ ...rest, held: Buffer.from(held).toString('base64') });
    }
    this.#hear(body);
    return this.#news();
  }

  #news(): Uint8Array {
    const news = newsOf(this.#state, this.#facts(), this.#nowMs).map(({ info, ...rest }) => {
      return { ...rest, ...info, publicKey: Buffer.from(info.publicKey).toString('base64') };
    });
    return writeJson({ snapshot: this.#context.snapshot.id, news });
  }

  #hear(body: Uint8Array): void {
    const news = readJson(body, gossipShape).news.map(toNews);
    this.#carryOut(hearNews(this.#state, this.#facts(), news, this.#nowMs));
  }

  #carryOut(effects: readonly SuccessionEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'gossip':
          for (const peer of effect.to) this.#context.run(this.#gossip(peer));
          break;
        case 'canvass':
          for (const peer of effect.to) this.#context.run(this.#canvass(peer));
          break;
        case 'elected':
          this.#read(effect.epoch, effect.spans);
          break;
        case 'acquaint':
          this.#context.feed({ kind: 'neighbours', peers: effect.peers });
      }
    }
  }

  async #gossip(peer: PeerId): Promise<void> {
    const { deps, signal } = this.#context;
    const link = deps.links.linked(peer);
    if (!link) return;
    const options = { signal, timeoutMs: CALL_TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
    try {
      this.#hear(await link.call('gossip', this.#news(), options));
    } catch (error) {
      deps.logger.debug('a neighbour tells no news', { peer, error });
    }
  }

  async #canvass(peer: PeerInfo): Promise<void> {
    const answer = await this.#askForVote(peer).catch((error: unknown) => {
      this.#context.deps.logger.debug('a member does not vote', { peer: peer.id, error });
      return undefined;
    });
    if (this.#context.signal.aborted) return;
    this.#carryOut(voteReceived(this.#state, this.#facts(), peer.id, answer, this.#nowMs));
  }

  async #askForVote(peer: PeerInfo): Promise<Vote> {
    const { deps, signal, snapshot } = this.#context;
    const link = await deps.links.connect(peer, signal);
    const options = { signal, timeoutMs: CALL_TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
    const answer = readJson(
      await link.call('canvass', writeJson({ snapshot: snapshot.id }), options),
      voteShape,
    );
    return { ...answer, held: Buffer.from(answer.held, 'base64') };
  }
}

/** Throws `peer_protocol` unless the id belongs to the key. */
function toNews({ ageMs, isDeputy, leaseEpoch, ...rest }: z.infer<typeof newsShape>): MemberNews {
  const id = parsePeerId(rest.id);
  const publicKey = new Uint8Array(Buffer.from(rest.publicKey, 'base64'));
  if (publicKey.length !== PUBLIC_KEY_BYTES || peerIdOf(publicKey) !== id) {
    throw new AnaxError('peer_protocol', `the key of peer ${id} is not its own`);
  }
  return { info: { ...rest, id, publicKey }, ageMs, isDeputy, leaseEpoch };
}
