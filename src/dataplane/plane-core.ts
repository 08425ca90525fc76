// The payload side of the data plane: owns the sockets of its links and everything that pieces pass through. It decides
// nothing: it carries out commands, and tells what happened.
//
//   fetch   proof → checked by the terms · piece → buffer → BLAKE3 → compared with its proof → written where the other
//           side says
//   serve   file → buffer → socket
//   get     an origin's answer → buffer → BLAKE3 → written where the other side says
//
// Invariants: every request is answered once; the bytes of a piece never leave here; nothing is written that has not its
// proof's digest; a link that is told of by `attached` is told of by `closed`, as the last of it; when a request is
// answered, the file that it was about is not used any more.

import {
  AnaxError,
  assert,
  type FileSpan,
  type LogFields,
  type Logger,
  type PieceHasher,
  ProofChecker,
  toErrorRecord,
} from '../core/index.ts';
import {
  BufferPool,
  ByteRate,
  type LinkHandlers,
  type PeerLink,
  type PeerTls,
  PeerTransport,
} from '../transport/index.ts';
import { CoreBodies } from './core-bodies.ts';
import {
  type Answer,
  type Command,
  type CoreEvent,
  type CoreSetup,
  type FetchAnswer,
  fromFailure,
  type LinkNumber,
  type Request,
  toFailure,
} from './messages.ts';
import { PieceWriter } from './piece-writer.ts';

type RequestOf<Kind extends Request['kind']> = Extract<Request, { kind: Kind }>;

/** One for all: most requests for pieces end so, and a new error costs its stack each time. */
const CANCELLED = new AnaxError('interrupted', 'cancelled');

/** What is loaded in each thread for itself. */
export interface CoreDeps {
  readonly createHasher: () => PieceHasher;
  readonly tls: PeerTls | undefined;
}

export class PlaneCore {
  readonly #emit: (event: CoreEvent) => void;
  readonly #transport: PeerTransport;
  readonly #links = new Map<LinkNumber, PeerLink>();
  readonly #numbers = new Map<PeerLink, LinkNumber>();
  readonly #writer = new PieceWriter();
  readonly #bodies: CoreBodies;
  readonly #proofs = new ProofChecker();
  /** Requests that can be cancelled. */
  readonly #cancels = new Map<number, AbortController>();
  /** Fetches whose piece is there. */
  readonly #places = new Map<number, (place: FileSpan | undefined) => void>();
  readonly #calls = new Map<number, PromiseWithResolvers<Uint8Array>>();
  /** Fetches and serves, and what is done with bodies. */
  readonly #transfers = new Set<Promise<unknown>>();
  #isStopping = false;
  #lastLink = 0;
  #lastCall = 0;

  constructor(setup: CoreSetup, { createHasher, tls }: CoreDeps, emit: (event: CoreEvent) => void) {
    this.#emit = emit;
    this.#bodies = new CoreBodies({ createHasher, writer: this.#writer });
    this.#transport = new PeerTransport({
      identity: setup.identity,
      limits: setup.limits,
      logger: this.#logger(),
      // Measured: with `data` events a receiver spends 0.75 CPU-s/GiB on links it accepted, with `onread` 0.28.
      acceptedReads: 'onread',
      createHasher,
      ...(tls && { tls }),
      receivePool: new BufferPool(setup.receivePoolBytes),
      sendPool: new BufferPool(setup.sendPoolBytes),
      uploadRate: new ByteRate(setup.uploadRate),
      downloadRate: new ByteRate(setup.downloadRate),
    });
  }

  handle(command: Command): void {
    switch (command.kind) {
      case 'request':
        return void this.#answer(command.id, command.request);
      case 'cancel':
        return this.#cancels.get(command.id)?.abort(CANCELLED);
      case 'put':
        return this.#places.get(command.id)?.(command.place);
      case 'open':
        return this.#open(command);
      case 'send':
        return this.#links.get(command.link)?.send(command.message);
      case 'close':
        return void this.#links.get(command.link)?.close(command.code);
      case 'begin':
        return this.#bodies.begin(command.body, command.span, command.capacityBytes);
      case 'end':
        return this.#bodies.end(command.body);
      case 'answer':
        return this.#calls.get(command.call)?.resolve(command.body);
      case 'answerError':
        return this.#calls.get(command.call)?.reject(fromFailure(command.failure));
    }
  }

  /** The other side counts channels; one that can't be had is refused, as by the remote. */
  #open({ link, opening }: Extract<Command, { kind: 'open' }>): void {
    const { channel = 0 } = opening;
    try {
      this.#links.get(link)?.open(opening);
    } catch {
      this.#emit({ kind: 'message', link, message: { kind: 'refused', channel, code: 'limit' } });
    }
  }

  async #answer(id: number, request: Request): Promise<void> {
    const cancel = new AbortController();
    this.#cancels.set(id, cancel);
    try {
      const value = await this.#carryOut(id, request, cancel.signal);
      this.#emit({ kind: 'done', id, value });
    } catch (error) {
      // Who cancelled waits for no reason.
      if (error === CANCELLED) this.#emit({ kind: 'done', id, value: undefined });
      else this.#emit({ kind: 'failed', id, failure: toFailure(error) });
    } finally {
      this.#cancels.delete(id);
    }
  }

  async #carryOut(id: number, request: Request, signal: AbortSignal): Promise<Answer> {
    switch (request.kind) {
      case 'listen':
        return (await this.#transport.listen({ ...request, attach: this.#attach })).port;
      case 'dial':
        return await this.#dial(request, signal);
      case 'call':
        return await this.#linkOf(request).call(request.method, request.body, { ...request, signal });
      case 'fetch':
        return await this.#tracked(this.#fetch(id, request, signal));
      case 'serve':
        return await this.#tracked(this.#serve(id, request));
      case 'get':
        return await this.#bodies.get(request, signal);
      case 'gather':
      case 'refill':
      case 'digest':
      case 'bytes':
      case 'store':
        return await this.#tracked(this.#bodies.carryOut(request));
      case 'stop':
        return await this.#stop();
    }
  }

  async #tracked<Value>(transfer: Promise<Value>): Promise<Value> {
    this.#transfers.add(transfer);
    try {
      return await transfer;
    } finally {
      this.#transfers.delete(transfer);
    }
  }

  async #dial(request: RequestOf<'dial'>, signal: AbortSignal): Promise<LinkNumber> {
    const link = await this.#transport.dial({ ...request, signal, attach: this.#attach });
    const number = this.#numbers.get(link);
    if (number === undefined) throw linkEnded();
    return number;
  }

  #linkOf({ link }: { readonly link: LinkNumber }): PeerLink {
    const known = this.#links.get(link);
    if (!known) throw linkEnded();
    return known;
  }

  async #fetch(id: number, request: RequestOf<'fetch'>, signal: AbortSignal): Promise<FetchAnswer> {
    const { channel, piece, sizeBytes, terms } = request;
    const received = await this.#linkOf(request).requestPiece({
      channel,
      piece,
      sizeBytes,
      signal,
      onBegun: (proof) =>
        this.#emit({ kind: 'begun', id, proof, finding: terms && this.#proofs.check(terms, proof) }),
    });
    try {
      assert(received.digest, 'a transport with a hasher hashes');
      if (Buffer.compare(received.digest, received.proof.digest) !== 0) return 'corrupt';
      const place = await this.#askForPlace(id);
      if (!place) return 'dropped';
      await this.#writer.put(place, received.bytes);
      return 'put';
    } finally {
      received.release();
    }
  }

  #askForPlace(id: number): Promise<FileSpan | undefined> {
    if (this.#isStopping) return Promise.resolve(undefined);
    this.#emit({ kind: 'arrived', id });
    return new Promise((resolve) => {
      this.#places.set(id, (place) => {
        this.#places.delete(id);
        resolve(place);
      });
    });
  }

  async #serve(id: number, request: RequestOf<'serve'>): Promise<undefined> {
    const { channel, piece, sizeBytes, proof, span } = request;
    const onStalled = () => this.#emit({ kind: 'stalled', id });
    await this.#linkOf(request).sendPiece({ channel, piece, sizeBytes, proof, span, onStalled });
    return undefined;
  }

  readonly #attach = (link: PeerLink): LinkHandlers => {
    const number = ++this.#lastLink;
    this.#links.set(number, link);
    this.#numbers.set(link, number);
    const { role, remote } = link;
    this.#emit({ kind: 'attached', link: number, role, remote });
    void link.closed.then(({ by, code, error }) => {
      this.#links.delete(number);
      this.#numbers.delete(link);
      this.#emit({ kind: 'closed', link: number, by, code, failure: toFailure(error) });
    });
    return {
      onMessage: (message) => this.#emit({ kind: 'message', link: number, message }),
      onCall: (method, body, { signal }) => this.#called(number, method, body, signal),
    };
  };

  async #called(
    link: LinkNumber,
    method: string,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const call = ++this.#lastCall;
    const answer = Promise.withResolvers<Uint8Array>();
    this.#calls.set(call, answer);
    const gone = () => this.#emit({ kind: 'callGone', link, call });
    signal.addEventListener('abort', gone, { once: true });
    this.#emit({ kind: 'called', link, call, method, body });
    try {
      return await answer.promise;
    } finally {
      signal.removeEventListener('abort', gone);
      this.#calls.delete(call);
    }
  }

  /** Ends all links. What has arrived and waits for its place is dropped; what is being read or written is waited for. */
  async #stop(): Promise<undefined> {
    this.#isStopping = true;
    this.#bodies.stop();
    await this.#transport.stop();
    for (const drop of this.#places.values()) drop(undefined);
    await Promise.allSettled(this.#transfers);
    return undefined;
  }

  #logger(): Logger {
    const log =
      (level: 'debug' | 'info' | 'warn' | 'error') =>
      (message: string, fields: LogFields = {}): void =>
        this.#emit({ kind: 'log', level, message, fields: plainFields(fields) });
    return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  }
}

/** Fields that can be sent to another thread. */
function plainFields(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? toErrorRecord(value) : value,
    ]),
  );
}

function linkEnded(): AnaxError {
  return new AnaxError('network_unreachable', 'the link ended');
}
