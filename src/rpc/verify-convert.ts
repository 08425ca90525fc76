// Verification of the cache between plain values and protobuf messages.

import { create } from '@bufbuild/protobuf';
import { parseDigest } from '../core/index.ts';
import type { VerifyEvent, VerifyRequest } from './control-types.ts';
import {
  type VerifyEvent as VerifyEventMessage,
  VerifyEventSchema,
  type VerifyRequest as VerifyRequestMessage,
  VerifyRequestSchema,
  type VerifyEvent_Repair as WireRepair,
} from './gen/anax/v1/control_pb.js';
import { errorFromWire, errorToWire } from './rpc-error.ts';
import { selectorFromWire, selectorToWire } from './status-convert.ts';

export function verifyRequestToWire({ target, bytesPerSecond }: VerifyRequest): VerifyRequestMessage {
  return create(VerifyRequestSchema, {
    ...(target && { target: selectorToWire(target) }),
    bytesPerSecond: BigInt(Math.round(bytesPerSecond ?? 0)),
  });
}

/** Throws `usage_invalid` for a target that names nothing. */
export function verifyRequestFromWire(wire: VerifyRequestMessage): VerifyRequest {
  return {
    ...(wire.target && { target: selectorFromWire(wire.target) }),
    ...(wire.bytesPerSecond !== 0n && { bytesPerSecond: Number(wire.bytesPerSecond) }),
  };
}

export function verifyEventToWire(event: VerifyEvent): VerifyEventMessage {
  return create(VerifyEventSchema, { event: eventCase(event) });
}

type EventCase = Exclude<Parameters<typeof create<typeof VerifyEventSchema>>[1], undefined>['event'];

function eventCase(event: VerifyEvent): NonNullable<EventCase> {
  switch (event.kind) {
    case 'progress': {
      const { blobs, totalBlobs, bytes, totalBytes } = event;
      return {
        case: 'progress',
        value: { blobs, totalBlobs, bytes: BigInt(bytes), totalBytes: BigInt(totalBytes) },
      };
    }
    case 'blob': {
      const { digest, sizeBytes, good, badPieces } = event;
      return { case: 'blob', value: { digest, sizeBytes: BigInt(sizeBytes), good, badPieces } };
    }
    case 'repair': {
      const { digest } = event;
      if (!event.ok) return { case: 'repair', value: { digest, error: errorToWire(event.error) } };
      const bytesFromPeers = BigInt(event.bytesFromPeers);
      return {
        case: 'repair',
        value: { digest, bytesFromPeers, bytesFromOrigin: BigInt(event.bytesFromOrigin) },
      };
    }
    case 'done': {
      const { blobs, badBlobs, repairedBlobs, bytes } = event;
      return { case: 'done', value: { blobs, badBlobs, repairedBlobs, bytes: BigInt(bytes) } };
    }
  }
}

/** `undefined` for a kind of event that this client does not know. */
export function verifyEventFromWire({ event }: VerifyEventMessage): VerifyEvent | undefined {
  switch (event.case) {
    case 'progress': {
      const { blobs, totalBlobs, bytes, totalBytes } = event.value;
      return { kind: 'progress', blobs, totalBlobs, bytes: Number(bytes), totalBytes: Number(totalBytes) };
    }
    case 'blob': {
      const { digest, sizeBytes, good, badPieces } = event.value;
      return { kind: 'blob', digest: parseDigest(digest), sizeBytes: Number(sizeBytes), good, badPieces };
    }
    case 'repair':
      return repairFromWire(event.value);
    case 'done': {
      const { blobs, badBlobs, repairedBlobs, bytes } = event.value;
      return { kind: 'done', blobs, badBlobs, repairedBlobs, bytes: Number(bytes) };
    }
    case undefined:
      return undefined;
  }
}

function repairFromWire(wire: WireRepair): VerifyEvent {
  const repair = { kind: 'repair' as const, digest: parseDigest(wire.digest) };
  if (wire.error) return { ...repair, ok: false, error: errorFromWire(wire.error) };
  const bytesFromPeers = Number(wire.bytesFromPeers);
  return { ...repair, ok: true, bytesFromPeers, bytesFromOrigin: Number(wire.bytesFromOrigin) };
}
