// For the tests of this folder: a layer over the file operations that can stop everything at the n-th change of the disk
// (as if the process had died there), fail any operation, and afterwards take back what was never flushed (as a power loss may).

import { readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { diskFs, type StoreFile, type StoreFs } from './store-fs.ts';

const FOLDER_CHANGES = new Set(['chmod', 'copyFile', 'link', 'mkdir', 'open', 'rename', 'unlink']);
const FILE_CHANGES = new Set(['chmod', 'datasync', 'sync', 'truncate', 'write']);
const FILE_READS = new Set(['read', 'stat']);

interface UnsyncedWrite {
  readonly path: string;
  readonly position: number;
  readonly length: number;
}

export class FaultFs {
  /** Changes of the disk so far. */
  changes = 0;
  /** The number of the change from which on everything fails; it has half its effect if it is a write. */
  crashAt = Infinity;
  /** Decides for one change whether it fails, and how: return an error code such as `ENOSPC`. */
  failing: (name: string, path: string) => string | undefined = () => undefined;
  /** The same for every operation, those that only read included. */
  failingAny: (name: string) => string | undefined = () => undefined;
  #unsynced: UnsyncedWrite[] = [];
  readonly #files = new WeakMap<StoreFile, { readonly file: StoreFile; readonly path: string }>();

  get crashed(): boolean {
    return this.changes > this.crashAt;
  }

  readonly fs: StoreFs = new Proxy(diskFs, {
    get: (target, name: string) => {
      if (name === 'writeNow') return this.#writeNow;
      const call = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]) => {
        const path = String(args[0]);
        if (this.crashed) throw crash();
        this.#operate(name);
        if (FOLDER_CHANGES.has(name) && args[1] !== 'r') this.#change(name, path);
        const result = await call(...args);
        if (name === 'rename') this.#follow(path, String(args[1]));
        return name === 'open' ? this.#wrap(result as StoreFile, path) : result;
      };
    },
  });

  /** A rename does not flush: what a file has unflushed it has under its new name. */
  #follow(from: string, to: string): void {
    this.#unsynced = this.#unsynced
      .filter(({ path }) => path !== to)
      .map((write) => (write.path === from ? { ...write, path: to } : write));
  }

  #operate(name: string): void {
    const code = this.failingAny(name);
    if (code !== undefined) throw injected(code, name);
  }

  #change(name: string, path: string): void {
    this.changes += 1;
    if (this.crashed) throw crash();
    const code = this.failing(name, path);
    if (code !== undefined) throw injected(code, name);
  }

  readonly #writeNow: StoreFs['writeNow'] = (wrapped, bytes, position) => {
    const { file, path } = this.#files.get(wrapped) ?? { file: wrapped, path: '' };
    this.#operate('write');
    try {
      this.#change('write', path);
    } catch (error) {
      if (this.changes === this.crashAt + 1)
        diskFs.writeNow(file, bytes.subarray(0, bytes.length >> 1), position);
      throw error;
    }
    this.#unsynced.push({ path, position, length: bytes.length });
    return diskFs.writeNow(file, bytes, position);
  };

  #wrap(file: StoreFile, path: string): StoreFile {
    const wrapped = this.#proxy(file, path);
    this.#files.set(wrapped, { file, path });
    return wrapped;
  }

  #proxy(file: StoreFile, path: string): StoreFile {
    return new Proxy(file, {
      get: (target, name: string) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
        if (!FILE_CHANGES.has(name) && !FILE_READS.has(name)) return call;
        return async (...args: unknown[]) => {
          this.#operate(name);
          return await (FILE_CHANGES.has(name) ? this.#changeFile(call, name, path, args) : call(...args));
        };
      },
    });
  }

  async #changeFile(
    call: (...args: unknown[]) => Promise<unknown>,
    name: string,
    path: string,
    args: unknown[],
  ): Promise<unknown> {
    const before = this.#unsynced.length;
    try {
      this.#change(name, path);
    } catch (error) {
      const [bytes, offset, length, position] = args as [Uint8Array, number, number, number];
      if (name === 'write' && this.changes === this.crashAt + 1)
        await call(bytes, offset, length >> 1, position);
      throw error;
    }
    if (name === 'write') {
      const [, , length, position] = args as [Uint8Array, number, number, number];
      this.#unsynced.push({ path, position, length });
    }
    const result = await call(...args);
    if (name === 'datasync' || name === 'sync') {
      // What was written while the flush ran may not be in it.
      const covered = new Set(this.#unsynced.slice(0, before).filter((write) => write.path === path));
      this.#unsynced = this.#unsynced.filter((write) => !covered.has(write));
    }
    return result;
  }

  /** Takes back unflushed writes for which `lose` says so: data becomes zeros, a journal ends there. */
  async losePower(lose: () => boolean): Promise<void> {
    for (const { path, position, length } of this.#unsynced) {
      const size = (await stat(path).catch(() => undefined))?.size;
      if (size === undefined || position >= size || !lose()) continue;
      if (path.endsWith('.journal')) await truncate(path, position + (length >> 1));
      else await zero(path, position, Math.min(length, size - position));
    }
  }
}

async function zero(path: string, position: number, length: number): Promise<void> {
  const bytes = await readFile(path);
  bytes.fill(0, position, position + length);
  await writeFile(path, bytes, { flag: 'r+' });
}

function injected(code: string, name: string): Error {
  return Object.assign(new Error(`${code}: injected, ${name}`), { code });
}

function crash(): Error {
  return Object.assign(new Error('EIO: the process is dead'), { code: 'EIO' });
}
