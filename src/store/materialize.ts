// Puts a blob's file at a path outside the store, atomically: made under a temporary name in the target's folder, then
// renamed (which replaces) or linked (which doesn't).

import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  AnaxError,
  type MaterializeMethod,
  type MaterializeOptions,
  systemErrorCode,
  type TemporaryNames,
  toAnaxError,
} from '../core/index.ts';
import { removeFile, type StoreFs, writeFully } from './store-fs.ts';

export interface MaterializeDeps {
  readonly fs: StoreFs;
  readonly names: TemporaryNames;
}

/**
 * Throws `output_exists` where the target exists and is neither to be replaced nor the very same file, `disk_full`,
 * `output_unwritable`. Leaves no temporary file behind.
 */
export async function materializeFile(
  { fs, names }: MaterializeDeps,
  source: string,
  target: string,
  options: MaterializeOptions,
): Promise<MaterializeMethod> {
  const method = options.method ?? 'link';
  return await install({ fs, names }, target, options, async (temporary) => {
    if (method === 'link' && (await tryReflink(fs, source, temporary))) return 'reflink';
    if (method === 'link' && (await tryHardLink(fs, source, temporary))) return 'hardlink';
    await copy(fs, source, temporary, options);
    return 'copy';
  });
}

/** A file that has no file of its own in the store, so that there is nothing to link to: an empty one, or one in a pack. */
export async function materializeBytes(
  { fs, names }: MaterializeDeps,
  bytes: Uint8Array,
  target: string,
  options: MaterializeOptions,
): Promise<MaterializeMethod> {
  return await install({ fs, names }, target, options, async (temporary) => {
    const file = await fs.open(temporary, 'wx', 0o644);
    try {
      await writeFully(file, bytes, 0);
      if (options.durable !== false) await file.datasync();
    } finally {
      await file.close();
    }
    return 'copy';
  });
}

async function install(
  { fs, names }: MaterializeDeps,
  target: string,
  { replace }: MaterializeOptions,
  make: (temporary: string) => Promise<MaterializeMethod>,
): Promise<MaterializeMethod> {
  const temporary = join(dirname(target), names.next());
  try {
    const method = await make(temporary);
    if (replace) await fs.rename(temporary, target);
    else await linkNew(fs, temporary, target);
    return method;
  } catch (error) {
    throw toOutputError(error, target);
  } finally {
    // Still there after a failure, after a link, and after a rename onto another name of the same inode, which POSIX
    // makes a no-op.
    await removeFile(fs, temporary).catch(() => undefined);
  }
}

async function linkNew(fs: StoreFs, temporary: string, target: string): Promise<void> {
  try {
    await fs.link(temporary, target);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'EEXIST' && (await sameInode(fs, temporary, target))) return;
    if (code === undefined || !NO_HARD_LINK.has(code)) throw error;
    // A filesystem without hard links has no exclusive rename either: look, then rename.
    const there = await fs.stat(target).catch(() => undefined);
    if (there) throw new AnaxError('output_exists', target);
    await fs.rename(temporary, target);
  }
}

async function sameInode(fs: StoreFs, a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([fs.stat(a), fs.stat(b)]);
  return first.ino === second.ino && first.dev === second.dev;
}

async function tryReflink(fs: StoreFs, source: string, temporary: string): Promise<boolean> {
  try {
    await fs.copyFile(source, temporary, constants.COPYFILE_FICLONE_FORCE);
  } catch (error) {
    // Whatever the reason, the next way either works or says it better; but a half-made file must not stand in its way.
    await removeFile(fs, temporary);
    if (systemErrorCode(error) === 'ENOSPC') throw error;
    return false;
  }
  await fs.chmod(temporary, 0o644);
  return true;
}

/** The kernel's and the filesystems' ways of saying "not here": other device, no hard links, too many, protected. */
const NO_HARD_LINK: ReadonlySet<string> = new Set([
  'EXDEV',
  'EPERM',
  'EMLINK',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
]);

async function tryHardLink(fs: StoreFs, source: string, temporary: string): Promise<boolean> {
  try {
    await fs.link(source, temporary);
    return true;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== undefined && NO_HARD_LINK.has(code)) return false;
    throw error;
  }
}

/** A private, writable copy, whole before it gets its name. */
async function copy(
  fs: StoreFs,
  source: string,
  temporary: string,
  { durable }: MaterializeOptions,
): Promise<void> {
  await fs.copyFile(source, temporary, constants.COPYFILE_EXCL);
  await fs.chmod(temporary, 0o644);
  if (durable === false) return;
  const file = await fs.open(temporary, 'r+');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

function toOutputError(error: unknown, target: string): unknown {
  const code = systemErrorCode(error);
  if (error instanceof AnaxError || code === undefined) return error;
  if (code === 'EEXIST') return new AnaxError('output_exists', target, { cause: error });
  if (code === 'ENOENT') {
    return new AnaxError('output_unwritable', `the folder of ${target} does not exist`, { cause: error });
  }
  return toAnaxError(error, 'disk_io');
}
