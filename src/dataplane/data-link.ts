// A link as the main side has it: says and hears what is decided, and has pieces fetched and served by the core that
// the link's socket is with.

import { AnaxError, assert, type FileMark, type FileSpan, type PieceProof } from '../core/index.ts';
import type {
  CallHandler,
  CallOptions,
  GoodbyeCode,
  IncomingMessage,
  LinkEnd,
  LinkRemote,
  OutgoingMessage,
  PeerLink,
} from '../transport/index.ts';
import type { CoreClient } from './core-client.ts';
import { type CoreEvent, fromFailure, type LinkEvent, type LinkNumber, toFailure } from './messages.ts';
import type { FetchOutcome, PieceFetchOptions } from './piece-fetch.ts';

export interface PieceToServe {
  readonly channel: number;
  readonly piece: number;
  readonly sizeBytes: number;
  readonly proof: PieceProof;
  /** Open until the promise settles. */
  readonly place: FileSpan & { readonly mark?: FileMark };
  /** Called once if the remote takes nothing for a second; it may go on after that. */
  readonly onStalled?: () => void;
}

/** Same as those of a `PeerLink`. */
export interface DataLinkHandlers {
  onMessage(message: IncomingMessage): void;
  readonly onCall: CallHandler;
}

/** What the daemon sees of a link. Where nothing else is said, it is what `PeerLink` says. */
export interface DataLink extends Pick<PeerLink, 'remote' | 'role' | 'closed' | 'send' | 'call' | 'close'> {
  /** Asks for a channel. Where it can't be had, `refused` follows. */
  open(opening: Parameters<PeerLink['open']>[0]): number;
  /** Asks for a piece of an open channel. Rejects as `PeerLink.requestPiece` does, and with what the disk or `land` says. */
  fetchPiece(options: PieceFetchOptions): Promise<FetchOutcome>;
  /** Answers a `request`, as `PeerLink.sendPiece` does. Rejects with `piece_corrupt` where the file has changed. */
  servePiece(piece: PieceToServe): Promise<void>;
}

type AttachedEvent = Extract<CoreEvent, { kind: 'attached' }>;

export class LinkProxy implements DataLink {
  readonly remote: LinkRemote;
  readonly role: 'dialer' | 'acceptor';
  readonly closed: Promise<LinkEnd>;
  readonly #core: CoreClient;
  readonly #number: LinkNumber;
  readonly #closed = Promise.withResolvers<LinkEnd>();
  readonly #calls = new Map<number, AbortController>();
  #handlers: DataLinkHandlers | undefined;
  #nextChannel: number;
  #end: LinkEnd | undefined;

  constructor(core: CoreClient, { link, role, remote }: AttachedEvent) {
    this.#core = core;
    this.#number = link;
    this.role = role;
    this.remote = remote;
    this.closed = this.#closed.promise;
    // As the protocol has it: even for who dialled, odd for who accepted.
    this.#nextChannel = role === 'dialer' ? 0 : 1;
  }

  /** Before anything arrives. */
  attach(handlers: DataLinkHandlers): void {
    this.#handlers = handlers;
  }

  open(opening: Parameters<PeerLink['open']>[0]): number {
    if (this.#end) throw this.#end.error;
    const channel = this.#nextChannel;
    this.#nextChannel += 2;
    this.#core.post({ kind: 'open', link: this.#number, opening: { ...opening, channel } });
    return channel;
  }

  send(message: OutgoingMessage): void {
    if (!this.#end) this.#core.post({ kind: 'send', link: this.#number, message });
  }

  async fetchPiece(options: PieceFetchOptions): Promise<FetchOutcome> {
    options.signal.throwIfAborted();
    if (this.#end) throw this.#end.error;
    return await this.#core.fetch(this.#number, options);
  }

  async servePiece({ place, onStalled, ...piece }: PieceToServe): Promise<void> {
    if (this.#end) throw this.#end.error;
    const { fd, offsetBytes, mark } = place;
    const span = { fd, offsetBytes, ...(mark && { mark }) };
    await this.#core.serve({ kind: 'serve', link: this.#number, ...piece, span }, onStalled);
  }

  async call(method: string, body: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    if (this.#end) throw this.#end.error;
    const { signal, ...limits } = options;
    const request = { kind: 'call', link: this.#number, method, body: alone(body), ...limits } as const;
    const answer = await this.#core.request(request, signal);
    assert(answer instanceof Uint8Array, 'a call is answered by bytes');
    return answer;
  }

  close(code: GoodbyeCode = 'done'): Promise<LinkEnd> {
    if (!this.#end) this.#core.post({ kind: 'close', link: this.#number, code });
    return this.closed;
  }

  /** What the core tells of this link. */
  onEvent(event: LinkEvent): void {
    switch (event.kind) {
      case 'message':
        return this.#handlers?.onMessage(event.message);
      case 'called':
        return void this.#serveCall(event);
      case 'callGone':
        return this.#calls.get(event.call)?.abort(new AnaxError('interrupted', 'the caller is gone'));
      case 'closed':
        return this.end({ by: event.by, code: event.code, error: fromFailure(event.failure) });
      case 'attached':
        return undefined;
    }
  }

  async #serveCall({ call, method, body }: Extract<CoreEvent, { kind: 'called' }>): Promise<void> {
    const gone = new AbortController();
    this.#calls.set(call, gone);
    try {
      assert(this.#handlers, 'a link that serves calls is attached');
      const answer = await this.#handlers.onCall(method, body, { signal: gone.signal });
      this.#core.post({ kind: 'answer', call, body: alone(answer) });
    } catch (error) {
      this.#core.post({ kind: 'answerError', call, failure: toFailure(error) });
    } finally {
      this.#calls.delete(call);
    }
  }

  /** Tells everybody who waits for the end. */
  end(end: LinkEnd): void {
    if (this.#end) return;
    this.#end = end;
    for (const gone of this.#calls.values()) gone.abort(end.error);
    this.#closed.resolve(end);
  }
}

/** A view would take its whole buffer along to another thread. */
function alone(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}
