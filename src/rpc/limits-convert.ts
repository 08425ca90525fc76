// Limits on traffic between plain values and protobuf messages.

import { AnaxError } from '../core/index.ts';
import type { TrafficLimits } from './control-types.ts';
import type { SetLimitsRequest, SetLimitsResponse } from './gen/anax/v1/control_pb.js';

type Fields = Pick<SetLimitsRequest, 'uploadBytesPerSecond' | 'downloadBytesPerSecond'>;
type Response = Pick<SetLimitsResponse, 'uploadBytesPerSecond' | 'downloadBytesPerSecond'>;

export function limitsToWire({
  uploadBytesPerSecond,
  downloadBytesPerSecond,
}: Partial<TrafficLimits>): Fields {
  return {
    ...(uploadBytesPerSecond !== undefined && { uploadBytesPerSecond: BigInt(uploadBytesPerSecond) }),
    ...(downloadBytesPerSecond !== undefined && { downloadBytesPerSecond: BigInt(downloadBytesPerSecond) }),
  };
}

/** Throws `config_invalid` for a rate that no number holds. */
export function limitsFromChange({
  uploadBytesPerSecond,
  downloadBytesPerSecond,
}: Fields): Partial<TrafficLimits> {
  return {
    ...(uploadBytesPerSecond !== undefined && { uploadBytesPerSecond: rateOf(uploadBytesPerSecond) }),
    ...(downloadBytesPerSecond !== undefined && { downloadBytesPerSecond: rateOf(downloadBytesPerSecond) }),
  };
}

function rateOf(value: bigint): number {
  const rate = Number(value);
  if (Number.isSafeInteger(rate)) return rate;
  throw new AnaxError('config_invalid', `a rate of ${value} bytes per second`);
}

export function limitsInForce({ uploadBytesPerSecond, downloadBytesPerSecond }: TrafficLimits): Response {
  return {
    uploadBytesPerSecond: BigInt(uploadBytesPerSecond),
    downloadBytesPerSecond: BigInt(downloadBytesPerSecond),
  };
}

export function limitsFromWire({ uploadBytesPerSecond, downloadBytesPerSecond }: Response): TrafficLimits {
  return {
    uploadBytesPerSecond: Number(uploadBytesPerSecond),
    downloadBytesPerSecond: Number(downloadBytesPerSecond),
  };
}
