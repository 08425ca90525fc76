// What the store holds, found out at start-up: the index for complete blobs, sidecars for those that it misses, journals
// for partial ones. What a crash left half done is finished or swept up. Reads folders and small files, never blob data:
// ten thousand indexed blobs take well under a second.

import { join } from 'node:path';
import type { Clock, Digest, Logger } from '../core/index.ts';
import { removePartialFiles } from './blob-files.ts';
import type { CatalogEntry, CompleteEntry, PartialEntry } from './catalog.ts';
import { readSidecar } from './complete-file.ts';
import type { IndexDatabase } from './index-database.ts';
import { replay } from './journal-format.ts';
import { digestFromName, JOURNAL_SUFFIX, type Layout, SIDECAR_SUFFIX } from './layout.ts';
import { readJournal } from './partial-file.ts';
import { removeFile, type StoreFs, statIfThere, TEMPORARY_SUFFIX } from './store-fs.ts';

export interface ReconcileDeps {
  readonly fs: StoreFs;
  readonly layout: Layout;
  readonly index: IndexDatabase;
  readonly clock: Clock;
  readonly logger: Logger;
}

export async function reconcile(deps: ReconcileDeps): Promise<CatalogEntry[]> {
  const complete = await findComplete(deps);
  const known = new Set(complete.flatMap(({ spec, aliases }) => [spec.digest, ...aliases]));
  return [...complete, ...(await findPartial(deps, known))];
}

async function findComplete(deps: ReconcileDeps): Promise<CompleteEntry[]> {
  const found = await scanBlobs(deps);
  const entries: CompleteEntry[] = [];
  const stale: Digest[] = [];
  for (const { digest, sizeBytes, pieceLengthBytes, ...rest } of deps.index.blobs()) {
    if (found.get(digest) === 'both') {
      entries.push({ state: 'complete', spec: { digest, sizeBytes, pieceLengthBytes }, ...rest });
      found.delete(digest);
    } else stale.push(digest);
  }
  deps.index.removeBlobs(stale);
  return [...entries, ...(await recoverBlobs(deps, found))];
}

type Found = 'blob' | 'sidecar' | 'both';

async function scanBlobs({ fs, layout }: ReconcileDeps): Promise<Map<Digest, Found>> {
  const found = new Map<Digest, Found>();
  for (const algorithm of await fs.readdir(layout.blobsFolder)) {
    for (const shard of await fs.readdir(join(layout.blobsFolder, algorithm))) {
      const folder = join(layout.blobsFolder, algorithm, shard);
      for (const name of await fs.readdir(folder)) {
        if (name.endsWith(TEMPORARY_SUFFIX)) await removeFile(fs, join(folder, name));
        else note(found, algorithm, name);
      }
    }
  }
  return found;
}

function note(found: Map<Digest, Found>, algorithm: string, name: string): void {
  const isSidecar = name.endsWith(SIDECAR_SUFFIX);
  const digest = digestFromName(algorithm, isSidecar ? name.slice(0, -SIDECAR_SUFFIX.length) : name);
  if (digest) found.set(digest, found.has(digest) ? 'both' : isSidecar ? 'sidecar' : 'blob');
}

/** Takes in the blobs that the index does not know, where they have a sidecar; removes what is none. */
async function recoverBlobs(
  deps: ReconcileDeps,
  found: ReadonlyMap<Digest, Found>,
): Promise<CompleteEntry[]> {
  const { fs, layout, clock, logger, index } = deps;
  const entries: CompleteEntry[] = [];
  for (const [digest, what] of found) {
    const sidecar = what === 'both' ? await readSidecar(fs, layout, digest) : undefined;
    if (sidecar) {
      const { spec, aliases, parts, fingerprint } = sidecar;
      await fs.chmod(layout.blob(digest), 0o444);
      entries.push({ state: 'complete', spec, aliases, parts, fingerprint, lastUsedAtMs: clock.now() });
    } else {
      if (what !== 'sidecar') logger.warn('a blob without a readable sidecar is removed', { digest });
      await removeFile(fs, layout.blob(digest));
      await removeFile(fs, layout.sidecar(digest));
    }
  }
  index.putBlobs(entries.map((entry) => ({ ...entry, ...entry.spec })));
  if (entries.length > 0) logger.info('blobs were taken in from their sidecars', { blobs: entries.length });
  return entries;
}

async function findPartial(deps: ReconcileDeps, complete: ReadonlySet<Digest>): Promise<PartialEntry[]> {
  const { fs, layout } = deps;
  const entries: PartialEntry[] = [];
  const digests = new Set<Digest>();
  for (const name of await fs.readdir(layout.partialFolder)) {
    const stem = name.endsWith(JOURNAL_SUFFIX) ? name.slice(0, -JOURNAL_SUFFIX.length) : name;
    const [algorithm, hex] = splitLast(stem);
    const digest = digestFromName(algorithm, hex);
    if (digest) digests.add(digest);
  }
  for (const digest of digests) {
    const entry = complete.has(digest) ? undefined : await readPartial(deps, digest);
    if (entry) entries.push(entry);
    else await removePartialFiles(deps, digest);
  }
  return entries;
}

/** `git-sha1-12ab…` → `git-sha1`, `12ab…`. */
function splitLast(stem: string): [string, string] {
  const at = stem.lastIndexOf('-');
  return [stem.slice(0, at), stem.slice(at + 1)];
}

async function readPartial({ fs, layout }: ReconcileDeps, digest: Digest): Promise<PartialEntry | undefined> {
  const content = await readJournal(fs, layout.journal(digest));
  const data = await statIfThere(fs, layout.partial(digest));
  if (content?.spec.digest !== digest || data?.size !== BigInt(content.spec.sizeBytes)) return undefined;
  const { held } = replay(content.spec, content.records);
  return { state: 'partial', spec: content.spec, held, lastUsedAtMs: Number(data.mtimeMs) };
}
