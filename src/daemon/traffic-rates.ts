// Limits on this host's traffic, in force for peers and origins together.

import type { TrafficLimits } from '../rpc/index.ts';
import { ByteRate, nowNs } from '../transport/index.ts';

export class TrafficRates {
  readonly upload = new ByteRate();
  readonly download = new ByteRate();

  /** Bytes a second; 0 for no limit. What is not given stays as it is. Returns what is in force. */
  change({ uploadBytesPerSecond, downloadBytesPerSecond }: Partial<TrafficLimits>): TrafficLimits {
    if (uploadBytesPerSecond !== undefined) this.upload.set(uploadBytesPerSecond || undefined, nowNs());
    if (downloadBytesPerSecond !== undefined) this.download.set(downloadBytesPerSecond || undefined, nowNs());
    return {
      uploadBytesPerSecond: this.upload.bytesPerSecond ?? 0,
      downloadBytesPerSecond: this.download.bytesPerSecond ?? 0,
    };
  }
}
