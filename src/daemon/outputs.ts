// Where the files of a download go: a folder, a file, a Hugging Face cache, both, or nowhere but the store.

import { basename, dirname, resolve } from 'node:path';
import {
  AnaxError,
  type BlobStore,
  type Manifest,
  type ManifestFile,
  type OriginRef,
  parseRepoPath,
  type StoredSnapshot,
} from '../core/index.ts';
import {
  checkWritable,
  type FileOutcome,
  fileOutput,
  folderOutput,
  hfCacheOutput,
  type Output,
  type OutputDeps,
  resolveFileTarget,
} from '../output/index.ts';
import type { DownloadRequest, OutputMethod } from '../rpc/index.ts';
import type { PathFilters } from './ref-key.ts';

/** All outputs of one download, as one. */
export interface Destination {
  /** What the summary names; `undefined` where nothing is put out. */
  readonly path: string | undefined;
  /** Whether the file is in its place in all of them. Throws `output_exists` where something else is. */
  has(file: ManifestFile): Promise<boolean>;
  place(file: ManifestFile): Promise<OutputMethod>;
  /** Every file is in place. */
  finish(): Promise<void>;
}

export type DestinationRequest = PathFilters &
  Pick<DownloadRequest, 'outputPath' | 'hfCacheDir' | 'overwrite'>;

/** `asked` is the ref before it was pinned. Throws `usage_invalid` for a Hugging Face cache of another hub's files. */
export async function createDestination(
  store: BlobStore,
  request: DestinationRequest,
  asked: OriginRef,
  snapshot: StoredSnapshot,
): Promise<Destination> {
  const deps: OutputDeps = {
    temporaryNames: store.temporaryNames,
    materialize: (digest, target, options) => store.materialize(digest, target, options),
    aliases: async (digest) => (await store.find(digest))?.aliases ?? [],
  };
  const outputs: Output[] = [];
  let path: string | undefined;
  if (request.hfCacheDir !== undefined) {
    outputs.push(cacheOutput(deps, request.hfCacheDir, request, asked, snapshot));
    await checkWritable(request.hfCacheDir);
    path = request.hfCacheDir;
  }
  if (request.outputPath !== undefined) {
    const plain = await plainOutput(deps, request.outputPath, request, snapshot);
    outputs.push(plain.output);
    path = plain.path;
  }
  return {
    path,
    has: async (file) => {
      for (const output of outputs) if (!(await output.has(file))) return false;
      return outputs.length > 0;
    },
    place: async (file) => {
      let outcome: FileOutcome | undefined;
      for (const output of outputs) outcome = await output.write(file);
      return outcome === undefined ? 'none' : outcome === 'kept' ? 'existing' : outcome;
    },
    finish: async () => {
      for (const output of outputs) await output.finish();
    },
  };
}

/** A path that ends in a slash is a folder, also for a single file. */
async function plainOutput(
  deps: OutputDeps,
  outputPath: string,
  { overwrite }: DestinationRequest,
  { ref, manifest }: StoredSnapshot,
): Promise<{ output: Output; path: string }> {
  const single = singleFile(ref, manifest);
  if (single) {
    const target = await resolveFileTarget(outputPath, single);
    await checkWritable(dirname(target));
    return { output: fileOutput(deps, target, { overwrite }), path: target };
  }
  await checkWritable(resolve(outputPath));
  const folder = folderOutput(deps, outputPath, { overwrite });
  return { output: ref.path === '' ? folder : below(folder, ref.path), path: resolve(outputPath) };
}

/** The file, where one was asked for by name. A repository with one file is still a folder. */
function singleFile({ scheme, repo, path }: OriginRef, { files }: Manifest): ManifestFile | undefined {
  const [file] = files;
  if (!file || files.length > 1) return undefined;
  const isWeb = scheme === 'http' || scheme === 'https';
  const isLocal = scheme === 'file' && basename(repo) === file.path;
  return isWeb || isLocal || path === file.path ? file : undefined;
}

/** A folder of a repository becomes the output folder itself: its files lose the folder's path. */
function below(output: Output, folder: string): Output {
  const inside = (file: ManifestFile): ManifestFile => ({
    ...file,
    path: parseRepoPath(file.path.slice(folder.length + 1)),
  });
  return {
    target: (file) => output.target(inside(file)),
    has: (file) => output.has(inside(file)),
    write: (file) => output.write(inside(file)),
    finish: () => output.finish(),
  };
}

function cacheOutput(
  deps: OutputDeps,
  cacheFolder: string,
  { include, exclude }: PathFilters,
  asked: OriginRef,
  { ref, manifest }: StoredSnapshot,
): Output {
  if (ref.scheme !== 'hf') {
    throw new AnaxError('usage_invalid', 'a Hugging Face cache takes hf:// repositories only', {
      hint: 'use -O for a plain folder',
    });
  }
  const isWhole = ref.path === '' && include.length === 0 && exclude.length === 0;
  return hfCacheOutput(deps, {
    cacheFolder,
    repo: ref.repo,
    commit: ref.revision,
    revision: asked.revision === '' ? 'main' : asked.revision,
    wholeRevision: isWhole ? manifest : undefined,
  });
}
