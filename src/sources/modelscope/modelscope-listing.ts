// Reads the whole listing of a ModelScope repository: one request for a model, one a 200 entries for a data set.

import { z } from 'zod';
import {
  AnaxError,
  digestFromHex,
  type ListedFile,
  MAX_BLOB_BYTES,
  type OriginRef,
  originDigest,
  parseRepoPath,
  type SourceContext,
} from '../../core/index.ts';
import { checkListingSize } from '../listed-file.ts';
import type { OriginClient } from '../origin-client.ts';
import { fetchText, parseJson } from '../read-body.ts';
import {
  apiRequest,
  DATASET_PAGE_SIZE,
  envelopeSchema,
  isSuccess,
  listingUrl,
  repoUrl,
} from './modelscope-api.ts';
import { modelscopeError } from './modelscope-error.ts';
import { modelscopeRepo } from './modelscope-url.ts';

const entrySchema = z.object({
  Type: z.string(),
  Path: z.string(),
  Size: z.int().min(0).max(MAX_BLOB_BYTES).optional(),
  Sha256: z.string().nullish(),
  Revision: z.string().nullish(),
});

const filesSchema = z.object({ Files: z.array(entrySchema).nullable() });

type Entry = z.infer<typeof entrySchema>;

/** Throws `repo_not_found` also where the revision is what is absent: the hub's answer does not tell. */
export async function listRepo(
  client: OriginClient,
  ref: OriginRef,
  branch: string,
  context: SourceContext,
): Promise<ListedFile[]> {
  const isPaged = modelscopeRepo(ref.repo).kind === 'datasets';
  const files: ListedFile[] = [];
  let entryCount = 0;
  for (let page = 1; ; page += 1) {
    const entries = await listPage(client, ref, listingUrl(ref, branch, page), context);
    entryCount += entries.length;
    checkListingSize(page, entryCount);
    for (const entry of entries) if (entry.Type === 'blob') files.push(toListedFile(entry, ref));
    if (!isPaged || entries.length < DATASET_PAGE_SIZE) return files;
  }
}

async function listPage(
  client: OriginClient,
  ref: OriginRef,
  url: URL,
  context: SourceContext,
): Promise<Entry[]> {
  const { response, text } = await fetchText(client, apiRequest(url, context));
  const refused = () =>
    modelscopeError(response, text, { ref, credentials: context.credentials, absent: 'repo_not_found' });
  if (response.status !== 200) throw refused();
  const envelope = parseJson(envelopeSchema, text, response.url);
  if (!isSuccess(envelope)) throw refused();
  const data = filesSchema.safeParse(envelope.Data);
  if (data.success) return data.data.Files ?? [];
  const issue = data.error.issues[0];
  throw new AnaxError(
    'origin_protocol',
    `a listing of ${url.host}: ${issue?.path.map(String).join('.')}: ${issue?.message}`,
  );
}

/** Where the hub lists no hash, the file is known by its address and last commit: named so, but not verifiable. */
function toListedFile(entry: Entry, ref: OriginRef): ListedFile {
  const path = parseRepoPath(entry.Path);
  if (entry.Size === undefined) throw new AnaxError('origin_protocol', `${path} is listed without a size`);
  if (entry.Sha256) return { path, sizeBytes: entry.Size, digest: sha256Digest(path, entry.Sha256) };
  if (!entry.Revision)
    throw new AnaxError('origin_protocol', `${path} is listed without a hash and a revision`);
  const digest = originDigest(`${repoUrl(ref).href}/${path}`, entry.Revision, entry.Size);
  return { path, sizeBytes: entry.Size, digest };
}

function sha256Digest(path: string, hex: string) {
  if (/^[0-9a-fA-F]{64}$/u.test(hex)) return digestFromHex('sha256', hex.toLowerCase());
  throw new AnaxError('origin_protocol', `${path} is listed with a malformed hash`);
}
