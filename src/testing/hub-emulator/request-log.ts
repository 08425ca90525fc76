/**
 * The record of every request to an emulated hub and its CDN, so that tests can assert "origin bytes = 1x" and
 * "requests within budget". Counters are exact over any number of requests; the list keeps the newest 100,000.
 */
import type { IncomingHttpHeaders } from 'node:http';

export interface LogEntry {
  readonly host: 'hub' | 'cdn';
  readonly method: string;
  /** Raw request target with query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly startedAt: number;
  readonly range?: string;
  /** 0 until the answer begins, or if there never was one (reset, hang). */
  status: number;
  /** Body bytes that reached the kernel. */
  bytesSent: number;
  /** Whether the answer was sent to its end. */
  complete: boolean;
  /** Whether the server is done with it, in whatever way. */
  ended: boolean;
}

export interface HubStats {
  readonly requests: number;
  readonly hubRequests: number;
  readonly cdnRequests: number;
  /** Body bytes of every kind of answer. */
  readonly bytesSent: number;
  /** Bytes of files only: what "the origin was read once" is about. */
  readonly contentBytesSent: number;
  /** Requests in which the CDN saw Authorization or Cookie. */
  readonly credentialLeaks: number;
  readonly byStatus: Readonly<Record<string, number>>;
}

const KEPT_ENTRIES = 100_000;

export type RequestListener = (entry: LogEntry) => void;

export class RequestLog {
  readonly #entries: LogEntry[] = [];
  readonly #listeners = new Set<RequestListener>();
  #requests = { hub: 0, cdn: 0 };
  #bytesSent = 0;
  #contentBytesSent = 0;
  #credentialLeaks = 0;
  #byStatus: Record<string, number> = {};

  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  begin(entry: LogEntry): void {
    if (this.#entries.length >= KEPT_ENTRIES) this.#entries.splice(0, KEPT_ENTRIES / 10);
    this.#entries.push(entry);
    this.#requests[entry.host]++;
    const { authorization, cookie } = entry.headers;
    if (entry.host === 'cdn' && (authorization !== undefined || cookie !== undefined))
      this.#credentialLeaks++;
    for (const listener of this.#listeners) listener(entry);
  }

  answered(entry: LogEntry, status: number): void {
    entry.status = status;
    this.#byStatus[status] = (this.#byStatus[status] ?? 0) + 1;
  }

  sent(entry: LogEntry, bytes: number, isContent: boolean): void {
    entry.bytesSent += bytes;
    this.#bytesSent += bytes;
    if (isContent) this.#contentBytesSent += bytes;
  }

  /** Called with each request before it is handled: the place to move a branch "between two requests". */
  onRequest(listener: RequestListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  stats(): HubStats {
    const { hub, cdn } = this.#requests;
    return {
      requests: hub + cdn,
      hubRequests: hub,
      cdnRequests: cdn,
      bytesSent: this.#bytesSent,
      contentBytesSent: this.#contentBytesSent,
      credentialLeaks: this.#credentialLeaks,
      byStatus: { ...this.#byStatus },
    };
  }

  reset(): void {
    this.#entries.length = 0;
    this.#requests = { hub: 0, cdn: 0 };
    this.#bytesSent = 0;
    this.#contentBytesSent = 0;
    this.#credentialLeaks = 0;
    this.#byStatus = {};
  }
}
