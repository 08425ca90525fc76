/**
 * Sends a Reply over node:http: back-pressure (two reused buffers a response, whatever the file's size),
 * bandwidth caps, and the faults that strike a body. Resolves when the response is sent or its connection closed.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { BodyFault, Span } from './faults.ts';
import { Pacer } from './pacer.ts';
import type { Reply, ReplyBody } from './reply.ts';

const CHUNK_BYTES = 256 * 1024;
/** Chunks of one response on their way at once: one is filled while the kernel takes the other. */
const CHUNKS_IN_FLIGHT = 2;

export interface SendOptions {
  readonly isHead: boolean;
  readonly pacers: readonly Pacer[];
  takeFaults(span: Span): readonly BodyFault[];
  onSent(bytes: number): void;
}

/** Returns whether the whole answer was sent, truthfully. */
export async function sendReply(res: ServerResponse, reply: Reply, options: SendOptions): Promise<boolean> {
  const { body } = reply;
  const length = bodyLength(body);
  const faults = body?.kind === 'content' && !options.isHead ? options.takeFaults(body) : [];
  const lie = faults.find((fault) => fault.kind === 'wrong-length')?.deltaBytes ?? 0;
  for (const [name, value] of Object.entries(reply.headers)) {
    res.setHeader(name, typeof value === 'string' ? value : [...value]);
  }
  if (reply.status !== 304 && !reply.chunked) res.setHeader('content-length', Math.max(0, length + lie));
  res.writeHead(reply.status);
  if (options.isHead || !body) {
    await endResponse(res);
    return true;
  }
  const writer = new BodyWriter(res, (bytes) => options.onSent(bytes));
  if (body.kind === 'bytes') await writer.write(body.bytes);
  else if (!(await sendContent(writer, body, faults, options.pacers))) return false;
  if (writer.signal.aborted) return false;
  await endResponse(res);
  if (lie !== 0) res.socket?.destroy();
  return lie === 0;
}

type ContentBody = Extract<ReplyBody, { kind: 'content' }>;

async function sendContent(
  writer: BodyWriter,
  body: ContentBody,
  faults: readonly BodyFault[],
  connectionPacers: readonly Pacer[],
): Promise<boolean> {
  const plan = planBody(body, faults);
  const pacers = plan.pacer ? [...connectionPacers, plan.pacer] : connectionPacers;
  const sliceBytes = Math.min(CHUNK_BYTES, body.end - body.start, ...pacers.map((pacer) => pacer.sliceBytes));
  const slots = Array.from({ length: CHUNKS_IN_FLIGHT }, () => ({
    buffer: Buffer.allocUnsafe(sliceBytes),
    written: Promise.resolve(),
  }));
  let offset = body.start;
  for (let turn = 0; offset < body.end && !writer.signal.aborted; turn++) {
    const stop = plan.stops.find((candidate) => candidate.offset >= offset);
    if (stop?.offset === offset) {
      plan.stops.splice(plan.stops.indexOf(stop), 1);
      await Promise.all(slots.map((slot) => slot.written));
      if (!(await stop.strike(writer))) return false;
      continue;
    }
    const slot = slots[turn % CHUNKS_IN_FLIGHT];
    if (!slot) break;
    await slot.written;
    const room = Math.min(sliceBytes, (stop?.offset ?? body.end) - offset);
    const read = await body.content.readInto(slot.buffer.subarray(0, room), offset);
    if (read === 0) throw new RangeError(`content ends at ${offset}, before ${body.end}`);
    flipByte(slot.buffer, plan.corruptAt, offset, read);
    await waitForBandwidth(pacers, read, writer.signal);
    slot.written = writer.write(slot.buffer.subarray(0, read));
    offset += read;
  }
  await Promise.all(slots.map((slot) => slot.written));
  return offset === body.end;
}

interface Stop {
  /** Offset in the file before whose byte it strikes. */
  readonly offset: number;
  /** Resolves with whether the body goes on. */
  strike(writer: BodyWriter): Promise<boolean>;
}

interface BodyPlan {
  readonly stops: Stop[];
  readonly corruptAt: number | undefined;
  readonly pacer: Pacer | undefined;
}

function planBody(span: Span, faults: readonly BodyFault[]): BodyPlan {
  const stops: Stop[] = [];
  let corruptAt: number | undefined;
  let pacer: Pacer | undefined;
  for (const fault of faults) {
    if (fault.kind === 'cut' || fault.kind === 'cut-reset') {
      stops.push({
        offset: span.start + fault.afterBytes,
        strike: (writer) => writer.cut(fault.kind === 'cut-reset'),
      });
    } else if (fault.kind === 'stall') {
      stops.push({ offset: span.start + fault.afterBytes, strike: (writer) => writer.stall(fault.forMs) });
    } else if (fault.kind === 'corrupt') {
      corruptAt = fault.atByte ?? Math.floor((span.start + span.end) / 2);
    } else if (fault.kind === 'trickle') pacer = new Pacer(fault.bytesPerSecond);
  }
  stops.sort((a, b) => a.offset - b.offset);
  return { stops, corruptAt, pacer };
}

function flipByte(buffer: Buffer, corruptAt: number | undefined, offset: number, length: number): void {
  if (corruptAt === undefined || corruptAt < offset || corruptAt >= offset + length) return;
  const index = corruptAt - offset;
  buffer[index] = (buffer[index] ?? 0) ^ 0x01;
}

async function waitForBandwidth(pacers: readonly Pacer[], bytes: number, signal: AbortSignal): Promise<void> {
  const nowMs = performance.now();
  const waitMs = Math.max(0, ...pacers.map((pacer) => pacer.reserve(bytes, nowMs)));
  if (waitMs >= 1) await wait(waitMs, signal);
}

/** Waits, or less if the connection closes. */
async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

/** Writes chunks and says when the kernel has taken each; never hangs on a closed connection. */
class BodyWriter {
  readonly #res: ServerResponse;
  readonly #onSent: (bytes: number) => void;
  readonly #waiting = new Set<() => void>();
  readonly #closed = new AbortController();

  constructor(res: ServerResponse, onSent: (bytes: number) => void) {
    this.#res = res;
    this.#onSent = onSent;
    const close = (): void => {
      this.#closed.abort();
      for (const wake of this.#waiting) wake();
    };
    if (res.destroyed) close();
    else res.once('close', close);
  }

  /** Aborted when the connection is closed. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  write(chunk: Uint8Array): Promise<void> {
    if (this.signal.aborted || chunk.byteLength === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#waiting.delete(settle);
        resolve();
      };
      this.#waiting.add(settle);
      this.#res.write(chunk, (error) => {
        if (!error) this.#onSent(chunk.byteLength);
        settle();
      });
    });
  }

  async cut(withReset: boolean): Promise<boolean> {
    if (withReset) resetConnection(this.#res.socket);
    else this.#res.socket?.destroy();
    return false;
  }

  async stall(forMs: number | undefined): Promise<boolean> {
    this.#res.flushHeaders();
    if (forMs === undefined) await new Promise<void>((resolve) => this.#onClose(resolve));
    else await wait(forMs, this.signal);
    return forMs !== undefined && !this.signal.aborted;
  }

  #onClose(listener: () => void): void {
    if (this.signal.aborted) listener();
    else this.signal.addEventListener('abort', listener, { once: true });
  }
}

/** TCP reset; a TLS socket can't send one and just closes. */
export function resetConnection(socket: Socket | null): void {
  if (socket && 'encrypted' in socket) socket.destroy();
  else socket?.resetAndDestroy();
}

function bodyLength(body: ReplyBody | undefined): number {
  if (!body) return 0;
  return body.kind === 'bytes' ? body.bytes.byteLength : body.end - body.start;
}

function endResponse(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (res.destroyed) return resolve();
    res.once('close', resolve);
    res.end(resolve);
  });
}
