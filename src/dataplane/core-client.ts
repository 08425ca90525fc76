// One core as the main side has it: its links, and what was asked of it and is not answered.

import {
  AnaxError,
  abortable,
  assert,
  type Logger,
  type PieceProof,
  type ProofFinding,
  unreachable,
} from '../core/index.ts';
import type { BulkResponse } from '../http-body/index.ts';
import type { CorePort, CorePortHandlers } from './core-port.ts';
import { type DataLink, type DataLinkHandlers, LinkProxy } from './data-link.ts';
import {
  type Answer,
  type Command,
  type CoreEvent,
  fromFailure,
  type GetRequest,
  type LinkNumber,
  type Request,
} from './messages.ts';
import { type FetchOutcome, PieceFetch, type PieceFetchOptions } from './piece-fetch.ts';
import { RemoteBody } from './remote-body.ts';

export interface CoreClientOptions {
  readonly open: (handlers: CorePortHandlers) => CorePort;
  readonly attach: (link: DataLink) => DataLinkHandlers;
  /** The core is gone; its links have been told. */
  readonly onLost: (error: Error) => void;
  readonly logger: Logger;
}

/** An answer of an origin whose body comes in in a core. */
export interface RemoteResponse extends Omit<BulkResponse, 'body'> {
  readonly body: RemoteBody;
}

/** Who waits for the answer to a request. */
interface Pending {
  done(value: Answer): void;
  failed(error: AnaxError): void;
  begun?(proof: PieceProof, finding: ProofFinding | undefined): void;
  arrived?(): void;
  stalled?(): void;
}

export class CoreClient {
  readonly #options: CoreClientOptions;
  readonly #port: CorePort;
  readonly #links = new Map<LinkNumber, LinkProxy>();
  readonly #pending = new Map<number, Pending>();
  #bodies = 0;
  #lastId = 0;
  #end: AnaxError | undefined;

  constructor(options: CoreClientOptions) {
    this.#options = options;
    this.#port = options.open({
      onEvents: (events) => {
        for (const event of events) this.#onEvent(event);
      },
      onLost: (error) => this.#lose(error),
    });
  }

  get linkCount(): number {
    return this.#links.size;
  }

  /** Bodies of origins that are on their way. */
  get bodyCount(): number {
    return this.#bodies;
  }

  link(number: LinkNumber): DataLink | undefined {
    return this.#links.get(number);
  }

  post(command: Command): void {
    this.#port.post(command);
  }

  /** Rejects with what the core says, with the signal's reason, or with the core's end. */
  async request(request: Request, signal?: AbortSignal): Promise<Answer> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const id = this.#ask(request, () => ({ done: resolve, failed: reject }));
    if (!signal) return await promise;
    const cancel = () => this.post({ kind: 'cancel', id });
    signal.addEventListener('abort', cancel, { once: true });
    try {
      return await abortable(promise, signal);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  /** See `DataPlane.bulkGet`. */
  async get(request: GetRequest, signal: AbortSignal): Promise<RemoteResponse> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const id = this.#ask(request, () => ({ done: resolve, failed: reject }));
    const cancel = () => this.post({ kind: 'cancel', id });
    signal.addEventListener('abort', cancel, { once: true });
    this.#bodies += 1;
    try {
      return this.#toResponse(await promise, signal);
    } catch (error) {
      this.#bodies -= 1;
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  #toResponse(answer: Answer, signal: AbortSignal): RemoteResponse {
    // It may have been answered in the moment in which it was cancelled.
    const head = typeof answer === 'object' && 'status' in answer ? answer : undefined;
    if (signal.aborted && head) this.post({ kind: 'end', body: head.body });
    signal.throwIfAborted();
    assert(head, 'a get is answered with a head');
    const { body, ...answered } = head;
    const onEnd = (): void => {
      this.#bodies -= 1;
    };
    return { ...answered, body: new RemoteBody(this, body, signal, onEnd) };
  }

  /** See `DataLink.servePiece`. */
  async serve(request: Request, onStalled: () => void = () => undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#ask(request, () => ({ done: resolve, failed: reject, stalled: onStalled }));
    await promise;
  }

  /** See `DataLink.fetchPiece`. */
  async fetch(link: LinkNumber, options: PieceFetchOptions): Promise<FetchOutcome> {
    const { channel, piece, sizeBytes, terms } = options;
    const { promise, resolve, reject } = Promise.withResolvers<FetchOutcome>();
    this.#ask({ kind: 'fetch', link, channel, piece, sizeBytes, terms }, (id) => {
      const cancel = () => this.post({ kind: 'cancel', id });
      return new PieceFetch(options, {
        resolve,
        reject,
        cancel,
        put: (place) => this.post({ kind: 'put', id, place }),
      });
    });
    return await promise;
  }

  #ask(request: Request, pendingOf: (id: number) => Pending): number {
    if (this.#end) throw this.#end;
    const id = ++this.#lastId;
    this.#pending.set(id, pendingOf(id));
    this.post({ kind: 'request', id, request });
    return id;
  }

  #onEvent(event: CoreEvent): void {
    switch (event.kind) {
      case 'done':
        return this.#settled(event.id)?.done(event.value);
      case 'failed':
        return this.#settled(event.id)?.failed(fromFailure(event.failure));
      case 'begun':
        return this.#pending.get(event.id)?.begun?.(event.proof, event.finding);
      case 'arrived':
        return this.#pending.get(event.id)?.arrived?.();
      case 'stalled':
        return this.#pending.get(event.id)?.stalled?.();
      case 'log':
        return this.#options.logger[event.level](event.message, event.fields);
      case 'attached':
        return this.#attach(event);
      case 'message':
      case 'called':
      case 'callGone':
        return this.#links.get(event.link)?.onEvent(event);
      case 'closed':
        this.#links.get(event.link)?.onEvent(event);
        this.#links.delete(event.link);
        return undefined;
      default:
        return unreachable(event);
    }
  }

  #settled(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #attach(event: Extract<CoreEvent, { kind: 'attached' }>): void {
    const link = new LinkProxy(this, event);
    this.#links.set(event.link, link);
    link.attach(this.#options.attach(link));
  }

  #lose(error: Error): void {
    this.#finish(new AnaxError('network_unreachable', `the data plane lost a core: ${error.message}`));
    this.#options.onLost(error);
  }

  /** Links end, and whoever waits for an answer gets this instead. */
  #finish(error: AnaxError): void {
    this.#end = error;
    for (const pending of this.#pending.values()) pending.failed(error);
    this.#pending.clear();
    for (const link of this.#links.values()) link.end({ by: 'network', code: 'lost', error });
    this.#links.clear();
  }

  /** Closes the links with a goodbye, and ends the core. */
  async stop(): Promise<void> {
    // A core that is lost meanwhile has no links left.
    if (!this.#end) await this.request({ kind: 'stop' }).catch(() => undefined);
    await this.#port.close();
    this.#finish(new AnaxError('interrupted', 'the data plane stops'));
  }
}
