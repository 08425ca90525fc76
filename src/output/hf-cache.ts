// A snapshot in the layout of the Hugging Face cache, so that every tool built on huggingface_hub finds it offline:
//
//   <cache>/CACHEDIR.TAG
//   <cache>/models--org--name/blobs/<etag>             etag: sha256 for LFS files, git sha1 for the others
//   <cache>/models--org--name/snapshots/<commit>/<path>   a relative link to the blob
//   <cache>/models--org--name/trees/<commit>.json      the whole revision's files; only where all of them are there
//   <cache>/models--org--name/refs/<revision>          the commit
//
// Crash-safe by order: blob, link, tree, ref; each appears whole (temporary name, then rename). The lock files of
// huggingface_hub are not taken: Node has no flock, and since both sides only ever rename whole files with the same
// content into place, whoever is second changes nothing.

import { lstat, open, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import {
  AnaxError,
  digestHex,
  isVerifiable,
  type Manifest,
  type ManifestFile,
  parseRepoPath,
} from '../core/index.ts';
import { Folders } from './folders.ts';
import { treeJson } from './hf-tree.ts';
import { Listings } from './listings.ts';
import { COPY_UP_TO_BYTES, type FileOutcome, type Output, type OutputDeps, onOutput } from './output.ts';
import { hasContent } from './same-content.ts';

export interface HfCacheOptions {
  /** What HF_HUB_CACHE names. */
  readonly cacheFolder: string;
  /** As in a ref: `owner/name`, with `datasets/`, `spaces/` or `kernels/` before it where it is one. */
  readonly repo: string;
  /** 40 hex digits. */
  readonly commit: string;
  /** The branch, tag or other name that was asked for; no ref is written where it is the commit itself or empty. */
  readonly revision: string;
  /** The manifest where it is the whole revision, nothing filtered out; else undefined: then no tree is written. */
  readonly wholeRevision: Manifest | undefined;
}

const TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n' +
  '# This file is a cache directory tag created by huggingface_hub.\n' +
  '# For information about cache directory tags, see:\n' +
  '#\thttps://bford.info/cachedir/\n';

const REPO_TYPES = new Set(['datasets', 'spaces', 'kernels']);

/** `owner/name` → `models--owner--name`; `datasets/owner/name` → `datasets--owner--name`. */
export function hfRepoFolder(repo: string): string {
  const parts = parseRepoPath(repo).split('/');
  const typed = parts.length > 1 && REPO_TYPES.has(parts[0] ?? '');
  return (typed ? parts : ['models', ...parts]).join('--');
}

export function hfCacheOutput(deps: OutputDeps, options: HfCacheOptions): Output {
  return new HfCacheOutput(deps, options);
}

class HfCacheOutput implements Output {
  readonly #deps: OutputDeps;
  readonly #options: HfCacheOptions;
  readonly #cache: string;
  readonly #repo: string;
  readonly #folders: Folders;
  readonly #listings: Listings;
  /** Folders with new names in them. */
  readonly #changed = new Set<string>();

  constructor(deps: OutputDeps, options: HfCacheOptions) {
    if (!/^[0-9a-f]{40}$/u.test(options.commit)) {
      throw new AnaxError('usage_invalid', `not a commit: ${options.commit}`);
    }
    this.#deps = deps;
    this.#listings = new Listings(deps.temporaryNames);
    this.#options = options;
    this.#cache = resolve(options.cacheFolder);
    this.#repo = join(this.#cache, hfRepoFolder(options.repo));
    this.#folders = new Folders(this.#repo);
  }

  target(file: ManifestFile): string {
    return join(this.#repo, 'snapshots', this.#options.commit, file.path);
  }

  #blob(file: ManifestFile): string {
    if (!isVerifiable(file.digest)) {
      throw new AnaxError(
        'usage_invalid',
        `${file.path} has no digest that the Hugging Face cache could name it by`,
      );
    }
    return join(this.#repo, 'blobs', digestHex(file.digest));
  }

  has(file: ManifestFile): Promise<boolean> {
    return onOutput(async () => {
      const path = this.target(file);
      return !(await this.#listings.lacks(path)) && (await this.#isRight(path, file));
    });
  }

  /** Whether what is at `path`, a link (other tools' shared blobs are) or a plain file, has the content. */
  async #isRight(path: string, file: ManifestFile): Promise<boolean> {
    const stats = await stat(path).catch(() => undefined);
    if (!stats?.isFile() || stats.size !== file.sizeBytes) return false;
    return await hasContent(this.#deps, path, file);
  }

  write(file: ManifestFile): Promise<FileOutcome> {
    return onOutput(async () => {
      const [blob, link] = [this.#blob(file), this.target(file)];
      await this.#folders.make(dirname(blob));
      await this.#folders.make(dirname(link));
      const outcome = await this.#writeBlob(file, blob);
      await this.#writeLink(file, link, relative(dirname(link), blob));
      for (const path of [blob, link]) {
        this.#changed.add(dirname(path));
        await this.#listings.add(path);
      }
      return outcome;
    });
  }

  async #writeBlob(file: ManifestFile, blob: string): Promise<FileOutcome> {
    if (!(await this.#listings.lacks(blob)) && (await this.#isRight(blob, file))) return 'kept';
    // Whatever is there under this name has not the content that the name says.
    const { digest, sizeBytes } = file;
    const method = sizeBytes <= COPY_UP_TO_BYTES ? 'copy' : 'link';
    return await this.#deps.materialize(digest, blob, { replace: true, method });
  }

  async #writeLink(file: ManifestFile, link: string, text: string): Promise<void> {
    if (!(await this.#listings.lacks(link))) {
      if (await this.#isPlainCopy(link, file)) return;
      if ((await readlink(link).catch(() => undefined)) === text) return;
    }
    await this.#viaTemporary(link, (temporary) => symlink(text, temporary));
  }

  /** Caches on filesystems without links have the files themselves in the snapshot. */
  async #isPlainCopy(link: string, file: ManifestFile): Promise<boolean> {
    const stats = await lstat(link).catch(() => undefined);
    return stats?.isFile() === true && (await this.#isRight(link, file));
  }

  finish(): Promise<void> {
    return onOutput(async () => {
      const { commit, revision, wholeRevision } = this.#options;
      await this.#folders.make(join(this.#repo, 'snapshots', commit));
      await this.#syncNames();
      if (wholeRevision) await this.#writeTree(wholeRevision);
      if (revision !== '' && revision !== commit)
        await this.#writeText(join('refs', parseRepoPath(revision)), commit);
      const tag = join(this.#cache, 'CACHEDIR.TAG');
      if (!(await stat(tag).catch(() => undefined))) await this.#replaceText(tag, TAG);
    });
  }

  async #writeTree(manifest: Manifest): Promise<void> {
    for (const file of manifest.files) {
      const there = await stat(this.target(file)).catch(() => undefined);
      // With a tree that names an absent file, huggingface_hub calls the snapshot incomplete.
      if (there?.size !== file.sizeBytes) return;
    }
    await this.#writeText(join('trees', `${this.#options.commit}.json`), treeJson(manifest));
  }

  async #writeText(path: string, text: string): Promise<void> {
    const target = join(this.#repo, path);
    if ((await readFile(target, 'utf8').catch(() => undefined)) === text) return;
    await this.#folders.make(dirname(target));
    await this.#replaceText(target, text);
  }

  /** Blobs and links become durable before anything that says they are there. */
  async #syncNames(): Promise<void> {
    for (const folder of this.#changed) {
      const handle = await open(folder, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
    this.#changed.clear();
  }

  async #replaceText(path: string, text: string): Promise<void> {
    await this.#listings.removeLeftovers(dirname(path));
    await this.#viaTemporary(path, async (temporary) => {
      const handle = await open(temporary, 'wx', 0o644);
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }

  async #viaTemporary(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
    const temporary = join(dirname(path), this.#deps.temporaryNames.next());
    try {
      await make(temporary);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }
}
