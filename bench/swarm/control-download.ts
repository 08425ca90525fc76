// A download through a daemon's control socket, as `dfget` asks for it, without the start of a dfget.

import { AnaxError } from '../../src/core/index.ts';
import { connectControl, type DownloadEvent } from '../../src/rpc/index.ts';

export interface ControlDownload {
  readonly socket: string;
  readonly url: string;
  readonly outputPath: string;
  readonly onEvent?: (event: DownloadEvent) => void;
}

/** Resolves when all is put out; rejects with why a file is not. */
export async function downloadThrough(asked: ControlDownload): Promise<void> {
  const { socket, url, outputPath, onEvent } = asked;
  const control = connectControl(socket);
  const request = { url, outputPath, include: [], exclude: [], overwrite: false, dryRun: false };
  try {
    for await (const event of control.download(request, new AbortController().signal)) {
      onEvent?.(event);
      if (event.kind === 'file_failed') throw new AnaxError('internal', event.error.message);
    }
  } finally {
    await control.close();
  }
}
