// The scheduler seen from a peer: one HTTP/2 connection without TLS (h2c) that carries the attendance stream.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { type CallOptions, createClient } from '@connectrpc/connect';
import { createConnectTransport, Http2SessionManager } from '@connectrpc/connect-node';
import {
  type AttendRequestSchema,
  type AttendResponse,
  Scheduler,
  type SchedulerStatusResponse,
} from './gen/anax/v1/scheduler_pb.js';
import { fromConnectError } from './rpc-error.ts';

/** A dead connection is found after at most interval + timeout: 25 s. */
const PING_INTERVAL_MS = 15_000;
const PING_TIMEOUT_MS = 10_000;

export type AttendRequestInit = MessageInitShape<typeof AttendRequestSchema>;

export interface SchedulerClient {
  /**
   * Opens the stream. It ends when both sides have ended theirs; throws AnaxErrors, `scheduler_unavailable` where the
   * connection fails or breaks, and the signal's own reason after an abort.
   */
  attend(requests: AsyncIterable<AttendRequestInit>, signal: AbortSignal): AsyncIterable<AttendResponse>;
  status(signal: AbortSignal): Promise<SchedulerStatusResponse>;
  /** Breaks the connection with whatever is open on it. Idempotent. */
  close(): void;
}

/** `url` is `http://host:port`. Opens nothing yet: the first call connects. */
export function createSchedulerClient(url: string): SchedulerClient {
  const pings = { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS };
  const sessionManager = new Http2SessionManager(url, pings);
  const transport = createConnectTransport({ httpVersion: '2', baseUrl: url, sessionManager });
  const client = createClient(Scheduler, transport);
  const toError = (error: unknown, signal: AbortSignal) => {
    signal.throwIfAborted();
    return fromConnectError(error, { unreachable: 'scheduler_unavailable', target: url });
  };
  return {
    async *attend(requests, signal) {
      // No time limit: the transport's default would end the stream.
      const options: CallOptions = { signal };
      try {
        yield* client.attend(requests, options);
      } catch (error) {
        throw toError(error, signal);
      }
    },
    async status(signal) {
      try {
        return await client.status({}, { signal });
      } catch (error) {
        throw toError(error, signal);
      }
    },
    close: () => sessionManager.abort(),
  };
}
