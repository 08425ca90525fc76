// temporary until src/output lands
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BlobStore, StoredSnapshot } from '../core/index.ts';
import type { DownloadRequest } from '../rpc/index.ts';
import type { Output } from './download.ts';

export async function createOutput(
  store: BlobStore,
  request: DownloadRequest,
  _snapshot: StoredSnapshot,
): Promise<Output> {
  const base = request.outputPath;
  return {
    path: base,
    place: async (file) => {
      if (base === undefined) return 'none';
      const target = join(base, file.path);
      await mkdir(dirname(target), { recursive: true });
      if (file.sizeBytes === 0) {
        await writeFile(target, '');
        return 'copy';
      }
      return store.materialize(file.digest, target, { replace: true });
    },
    finish: async () => undefined,
  };
}
