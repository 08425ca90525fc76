// From what was asked for to a snapshot: who resolves it (this host, or the seed that the scheduler names), at which
// commit, with which files, and whether this caller may have it.
//
// Invariants: a branch is resolved once for all who ask within PIN_TTL_MS; a restricted repository is given to a caller
// only after the hub said yes to that caller's own credentials; credentials leave this host only sealed.

import { z } from 'zod';
import type { BlobStore } from '../core/index.ts';
import {
  AnaxError,
  abortable,
  type Clock,
  type Credentials,
  createManifest,
  decodeManifest,
  encodeManifest,
  hasCode,
  type ListedFile,
  type Logger,
  MAX_MANIFEST_BYTES,
  type Manifest,
  type OriginRef,
  type PeerId,
  type PeerInfo,
  type PinnedRef,
  parseSnapshotId,
  type SnapshotId,
  type Source,
  type StoredSnapshot,
} from '../core/index.ts';
import type { DataLink } from '../dataplane/index.ts';
import { createPathFilter } from '../rpc/index.ts';
import type { SchedulerLink } from '../scheduler-server/index.ts';
import type { CallOptions } from '../transport/index.ts';
import { readJson, writeJson } from './call-body.ts';
import type { PeerLinks } from './peer-links.ts';
import { credentialsFingerprint, type PathFilters, refKeyOf } from './ref-key.ts';
import { createSealingKey, openCredentials, sealCredentials } from './sealed.ts';

/** A branch that was resolved stands for this long: one roll-out, one commit. */
const PIN_TTL_MS = 30_000;
/** The hub's yes to one caller for one restricted repository stands for this long. */
const ACCESS_TTL_MS = 300_000;
/** Pins and access answers that are remembered. */
const MAX_REMEMBERED = 10_000;
/** Resolvers that are tried before this host does it itself. */
const MAX_RESOLVERS = 3;
const RESOLVE_TIMEOUT_MS = 600_000;
const MAX_ANSWER_BYTES = 65_536;

export interface ResolveRequest extends PathFilters {
  readonly ref: OriginRef;
  readonly credentials: Credentials;
  /** Whether the content is read in order while it comes: whoever resolves shall read the origin so. Default false. */
  readonly inOrder?: boolean;
}

export interface ResolverDeps {
  readonly self: PeerId;
  readonly store: BlobStore;
  readonly scheduler: SchedulerLink;
  readonly links: PeerLinks;
  readonly source: (scheme: string) => Source;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends shared work, when the host stops. One caller's abort does not end what others wait for as well. */
  readonly signal: AbortSignal;
  /** Whether this host reads such a ref on behalf of another: not its own disk, not a hub it was not set up for. */
  readonly mayResolveForOthers: (ref: OriginRef) => boolean;
  /** Called when this host resolved for somebody: the seed takes part in what it resolves. */
  readonly onResolvedForOther: (
    snapshot: StoredSnapshot,
    credentials: Credentials,
    inOrder: boolean,
  ) => Promise<void>;
}

interface Remembered<Value> {
  readonly value: Value;
  readonly untilMs: number;
}

const text = z.string().max(8_192);
const refShape = z.object({ scheme: text, endpoint: text, repo: text, revision: text, path: text });
const patterns = z.array(text).max(1_000);

/** What travels in a `resolve` call between daemons, and what comes back. */
const resolveCall = z.object({
  ref: refShape,
  include: patterns,
  exclude: patterns,
  sealed: z.string().max(65_536),
  inOrder: z.boolean().optional(),
});
const pinnedShape = refShape.extend({ restricted: z.boolean() });
const resolveAnswer = z.object({ ref: pinnedShape, snapshot: text });
/** What travels in an `invite` call. */
const inviteCall = z.object({ ref: pinnedShape, snapshot: text, sealed: z.string().max(65_536) });

export class Resolver {
  readonly #deps: ResolverDeps;
  readonly #sealingKey = createSealingKey();
  readonly #sealingKeys = new Map<PeerId, Uint8Array>();
  readonly #pins = new Map<string, Remembered<Promise<PinnedRef>>>();
  readonly #access = new Map<string, Remembered<Promise<void>>>();
  readonly #listings = new Map<string, Promise<StoredSnapshot>>();

  constructor(deps: ResolverDeps) {
    this.#deps = deps;
  }

  /** Throws what the hub says: `access_gated`, `repo_not_found`, `rate_limited`, …; `nothing_matched`. */
  async resolve(request: ResolveRequest, signal: AbortSignal): Promise<StoredSnapshot> {
    const known = this.#deps.store.snapshotByRef(refKeyOf(request.ref, request));
    if (known && (await this.#isComplete(known))) {
      await this.#authorize(known.ref, request.credentials, signal);
      return known;
    }
    // With something missing the resolver is asked even for a commit: who resolves takes part, and reads for all.
    return this.#anywhere(request, signal);
  }

  async #anywhere(request: ResolveRequest, signal: AbortSignal): Promise<StoredSnapshot> {
    const exclude: PeerId[] = [];
    while (exclude.length < MAX_RESOLVERS) {
      const peer = await this.#deps.scheduler.locate(refKeyOf(request.ref, request), exclude, signal);
      if (peer.id === this.#deps.self) break;
      const snapshot = await this.#ask(peer, request, signal);
      if (snapshot) return snapshot;
      exclude.push(peer.id);
    }
    return (await this.#stored(request, signal)) ?? this.#here(request, signal);
  }

  /** A snapshot that was asked for by its commit, and is known here already. */
  async #stored(request: ResolveRequest, signal: AbortSignal): Promise<StoredSnapshot | undefined> {
    const known = this.#deps.store.snapshotByRef(refKeyOf(request.ref, request));
    if (known) await this.#authorize(known.ref, request.credentials, signal);
    return known;
  }

  async #isComplete({ manifest }: StoredSnapshot): Promise<boolean> {
    for (const { digest, sizeBytes } of manifest.files) {
      if (sizeBytes > 0 && !(await this.#deps.store.find(digest))) return false;
    }
    return true;
  }

  // Resolving on this host.

  async #here(request: ResolveRequest, signal: AbortSignal): Promise<StoredSnapshot> {
    const pinned = await this.#pin(request, signal);
    await this.#authorize(pinned, request.credentials, signal);
    const key = refKeyOf(pinned, request);
    const known = this.#deps.store.snapshotByRef(key);
    if (known) return known;
    return abortable(this.#listings.get(key) ?? this.#startListing(pinned, key, request), signal);
  }

  /** Shared by all who ask meanwhile; one who goes does not end it. */
  #startListing(pinned: PinnedRef, key: string, request: ResolveRequest): Promise<StoredSnapshot> {
    const running = this.#list(pinned, key, request).finally(() => this.#listings.delete(key));
    running.catch(() => undefined);
    this.#listings.set(key, running);
    return running;
  }

  #pin({ ref, credentials }: ResolveRequest, signal: AbortSignal): Promise<PinnedRef> {
    const key = `${refKeyOf(ref, { include: [], exclude: [] })}/${credentialsFingerprint(credentials)}`;
    const pinned = this.#remember(this.#pins, key, PIN_TTL_MS, () =>
      this.#deps.source(ref.scheme).resolve(ref, { credentials, signal: this.#deps.signal }),
    );
    return abortable(pinned, signal);
  }

  async #authorize(pinned: PinnedRef, credentials: Credentials, signal: AbortSignal): Promise<void> {
    if (!pinned.restricted) return;
    const key = `${pinned.scheme} ${pinned.endpoint} ${pinned.repo}/${credentialsFingerprint(credentials)}`;
    const allowed = this.#remember(this.#access, key, ACCESS_TTL_MS, () =>
      this.#deps.source(pinned.scheme).authorize(pinned, { credentials, signal: this.#deps.signal }),
    );
    await abortable(allowed, signal);
  }

  /** One call for all who ask at once and for `ttlMs` after; failures are not remembered. */
  #remember<Value>(
    memory: Map<string, Remembered<Promise<Value>>>,
    key: string,
    ttlMs: number,
    ask: () => Promise<Value>,
  ): Promise<Value> {
    const nowMs = this.#deps.clock.now();
    const known = memory.get(key);
    if (known && nowMs < known.untilMs) return known.value;
    const value = ask();
    memory.delete(key);
    memory.set(key, { value, untilMs: nowMs + ttlMs });
    value.catch(() => memory.delete(key));
    const oldest = memory.keys().next();
    if (memory.size > MAX_REMEMBERED && !oldest.done) memory.delete(oldest.value);
    return value;
  }

  async #list(pinned: PinnedRef, key: string, request: ResolveRequest): Promise<StoredSnapshot> {
    const context = { credentials: request.credentials, signal: this.#deps.signal };
    const listed = await this.#deps.source(pinned.scheme).list(pinned, context);
    const wanted = filtered(listed, request);
    const manifest = createManifest(wanted);
    const snapshot = { id: manifest.id, ref: pinned, manifest };
    await this.#deps.store.putSnapshot(snapshot, key);
    return snapshot;
  }

  // Resolving elsewhere.

  /** Asks the peer; `undefined` where it can't be reached. What the hub told it is thrown. */
  async #ask(
    peer: PeerInfo,
    request: ResolveRequest,
    signal: AbortSignal,
  ): Promise<StoredSnapshot | undefined> {
    try {
      return await this.#askOver(peer, request, signal);
    } catch (error) {
      if (!hasCode(error, 'network_unreachable', 'network_timeout', 'peer_protocol', 'peer_refused'))
        throw error;
      this.#deps.logger.warn('resolver not reached', { peer: peer.id, host: peer.host, code: error.code });
      return undefined;
    }
  }

  async #askOver(peer: PeerInfo, request: ResolveRequest, signal: AbortSignal): Promise<StoredSnapshot> {
    const link = await this.#deps.links.connect(peer, signal);
    const options = this.#callOptions(signal);
    const sealingKey = await this.#sealingKeyOf(peer.id, link, options);
    const call: z.infer<typeof resolveCall> = {
      ref: request.ref,
      include: [...request.include],
      exclude: [...request.exclude],
      sealed: sealCredentials(request.credentials, sealingKey),
      ...(request.inOrder && { inOrder: true }),
    };
    const answer = readJson(await link.call('resolve', writeJson(call), options), resolveAnswer);
    const id = parseSnapshotId(answer.snapshot);
    const snapshot = { id, ref: answer.ref, manifest: await this.#manifestFrom(link, id, options) };
    await this.#deps.store.putSnapshot(snapshot, refKeyOf(answer.ref, request));
    return snapshot;
  }

  #callOptions(signal: AbortSignal): CallOptions {
    return { signal, timeoutMs: RESOLVE_TIMEOUT_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
  }

  async #sealingKeyOf(peer: PeerId, link: DataLink, options: CallOptions): Promise<Uint8Array> {
    const sealingKey = this.#sealingKeys.get(peer) ?? (await link.call('sealing-key', EMPTY, options));
    this.#sealingKeys.set(peer, sealingKey);
    return sealingKey;
  }

  async #manifestFrom(link: DataLink, id: SnapshotId, options: CallOptions): Promise<Manifest> {
    const known = this.#deps.store.snapshot(id);
    if (known) return known.manifest;
    const manifestOptions = { ...options, maxAnswerBytes: MAX_MANIFEST_BYTES };
    return decodeManifest(id, await link.call('manifest', Buffer.from(id), manifestOptions));
  }

  /** Tells a seed of a snapshot, so that it takes part. One that can't be reached or will not is left alone. */
  async invite(seed: PeerInfo, snapshot: StoredSnapshot, credentials: Credentials): Promise<void> {
    try {
      const link = await this.#deps.links.connect(seed, this.#deps.signal);
      const options = this.#callOptions(this.#deps.signal);
      const call: z.infer<typeof inviteCall> = {
        ref: snapshot.ref,
        snapshot: snapshot.id,
        sealed: sealCredentials(credentials, await this.#sealingKeyOf(seed.id, link, options)),
      };
      await link.call('invite', writeJson(call), options);
    } catch (error) {
      this.#deps.logger.warn('a seed does not take part', { peer: seed.id, host: seed.host, error });
    }
  }

  // Answering other daemons.

  async answer(method: string, body: Uint8Array, peer: PeerId, signal: AbortSignal): Promise<Uint8Array> {
    switch (method) {
      case 'sealing-key':
        return this.#sealingKey.publicKey;
      case 'resolve':
        return this.#resolveForOther(body, signal);
      case 'invite':
        return this.#acceptInvitation(body, peer, signal);
      case 'manifest':
        return this.#manifest(parseSnapshotId(Buffer.from(body).toString()));
      default:
        throw new AnaxError('peer_protocol', `no such call: ${method}`);
    }
  }

  /** Takes part in what another host reads, as if its caller had asked here. */
  async #acceptInvitation(body: Uint8Array, peer: PeerId, signal: AbortSignal): Promise<Uint8Array> {
    const { ref, snapshot, sealed } = readJson(body, inviteCall);
    this.#checkMayRead(ref);
    const credentials = openCredentials(sealed, this.#sealingKey);
    const link = this.#deps.links.linked(peer);
    if (!link) throw new AnaxError('peer_refused', 'the link is gone');
    const id = parseSnapshotId(snapshot);
    const known = { id, ref, manifest: await this.#manifestFrom(link, id, this.#callOptions(signal)) };
    // Under no key that a ref has: that a snapshot is what a ref means is only said by who resolved it.
    await this.#deps.store.putSnapshot(known, `invited ${id}`);
    await this.#deps.onResolvedForOther(known, credentials, false);
    return EMPTY;
  }

  #checkMayRead(ref: OriginRef): void {
    if (this.#deps.mayResolveForOthers(ref)) return;
    const what = `${ref.scheme}:// at ${ref.endpoint}`;
    throw new AnaxError('access_denied', `this node does not read ${what} for others`);
  }

  async #resolveForOther(body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { ref, include, exclude, sealed, inOrder = false } = readJson(body, resolveCall);
    this.#checkMayRead(ref);
    const credentials = openCredentials(sealed, this.#sealingKey);
    const request = { ref, include, exclude, credentials };
    const snapshot = (await this.#stored(request, signal)) ?? (await this.#here(request, signal));
    await this.#deps.onResolvedForOther(snapshot, credentials, inOrder);
    return writeJson({ ref: snapshot.ref, snapshot: snapshot.id });
  }

  #manifest(id: SnapshotId): Uint8Array {
    const snapshot = this.#deps.store.snapshot(id);
    if (!snapshot) throw new AnaxError('blob_not_found', 'no such manifest here');
    return encodeManifest(snapshot.manifest);
  }
}

const EMPTY = new Uint8Array();

function filtered(listed: readonly ListedFile[], request: PathFilters): readonly ListedFile[] {
  const matches = createPathFilter(request);
  const wanted = listed.filter((file) => matches(file.path));
  if (wanted.length === 0 && listed.length > 0) {
    throw new AnaxError('nothing_matched', `${listed.length} files, none wanted`);
  }
  return wanted;
}
