// Bodies of the origin's answers in a core: what the other side asked for comes in here, is gathered into pieces, hashed,
// and written where the other side says.

import { AnaxError, assert, type PieceIntake } from '../core/index.ts';
import {
  type BodySpan,
  BulkClient,
  type BulkResponse,
  readSpan,
  toRequestError,
} from '../http-body/index.ts';
import { BufferStock } from './buffer-stock.ts';
import type { BodyHead, BodyNumber, BodyRequest, GetRequest } from './messages.ts';
import { type IntakeDeps, StreamIntake } from './stream-intake.ts';

/**
 * Bytes are gathered for so long before they are told of. (Measured: told of chunk by chunk, a GiB costs the main thread
 * 0.27 s of processor time, so 0.15.)
 */
const GATHER_MS = 10;

interface Body {
  readonly url: URL;
  readonly stream: BulkResponse['body'];
  intake?: PieceIntake;
  /** What the intake gathers in. */
  buffer?: Buffer;
  /** What is being done with it. */
  running: number;
}

export class CoreBodies {
  readonly #deps: IntakeDeps;
  readonly #bodies = new Map<BodyNumber, Body>();
  readonly #client = new BulkClient();
  readonly #buffers = new BufferStock();
  #last = 0;

  constructor(deps: Omit<IntakeDeps, 'gatherMs'>) {
    this.#deps = { ...deps, gatherMs: GATHER_MS };
  }

  /** The answer's head; its body is there until it is ended. */
  async get({ url: address, headers, options }: GetRequest, signal: AbortSignal): Promise<BodyHead> {
    const url = new URL(address);
    try {
      const { status, headers: answered, body } = await this.#client.get(url, headers, options, signal);
      const number = ++this.#last;
      this.#bodies.set(number, { url, stream: body, running: 0 });
      return { body: number, status, headers: answered };
    } catch (error) {
      throw toRequestError(error, url, signal);
    }
  }

  /** The other side will take this stretch of a body; without one, all. */
  begin(number: BodyNumber, span: BodySpan | undefined, capacityBytes: number): void {
    const body = this.#bodies.get(number);
    if (!body) return;
    const stream = span ? readSpan(body.stream, span, body.url) : body.stream;
    body.buffer = this.#buffers.take(capacityBytes);
    body.intake = new StreamIntake(stream, body.buffer, this.#deps);
  }

  async carryOut(request: BodyRequest): Promise<number | Uint8Array | undefined> {
    const body = this.#bodies.get(request.body);
    if (!body) throw new AnaxError('network_unreachable', 'the body was ended');
    assert(body.intake, 'a body is begun before it is read');
    body.running += 1;
    try {
      return await perform(body.intake, request, body.url);
    } finally {
      body.running -= 1;
      if (!this.#bodies.has(request.body)) this.#recycle(body);
    }
  }

  /** Its buffer is free once nothing is done with it any more. */
  #recycle({ buffer, running }: Body): void {
    if (!buffer || running > 0) return;
    this.#buffers.giveBack(buffer);
    if (this.#bodies.size === 0) this.#buffers.clear();
  }

  /** Closes its connection; who waits for bytes of it is told that it was cut. */
  end(number: BodyNumber): void {
    const body = this.#bodies.get(number);
    if (!body) return;
    this.#bodies.delete(number);
    body.stream.destroy();
    this.#recycle(body);
  }

  stop(): void {
    for (const number of this.#bodies.keys()) this.end(number);
    this.#client.close();
  }
}

async function perform(
  intake: PieceIntake,
  request: BodyRequest,
  url: URL,
): Promise<number | Uint8Array | undefined> {
  switch (request.kind) {
    case 'gather':
      return await gather(intake, request, url);
    case 'refill':
      await intake.refill(request.bytes);
      return undefined;
    case 'digest':
      return new Uint8Array(await intake.digest());
    case 'bytes':
      // A copy: with a part of a buffer all of it would be sent.
      return new Uint8Array(await intake.bytes());
    case 'store':
      await intake.put(request.place);
      return undefined;
  }
}

async function gather(
  intake: PieceIntake,
  { at, limit }: Extract<BodyRequest, { kind: 'gather' }>,
  url: URL,
): Promise<number> {
  try {
    return await intake.gather(at, limit);
  } catch (error) {
    throw toRequestError(error, url, NEVER);
  }
}

/** Who ends a body does not wait for its bytes any more. */
const NEVER = new AbortController().signal;
