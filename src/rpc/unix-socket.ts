// The life of a Unix socket's file: it outlives a killed daemon, so a path that nobody answers on is cleared away, and
// one that somebody answers on is left alone.

import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { AnaxError, toAnaxError } from '../core/index.ts';

/** sun_path of Linux less the final zero. */
const MAX_SOCKET_PATH_BYTES = 107;

/** Makes sure that a server can listen there. Throws `config_invalid` where it can't. */
export async function claimSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new AnaxError('config_invalid', `the socket path ${path} is too long`, {
      hint: `Linux takes up to ${MAX_SOCKET_PATH_BYTES} bytes`,
    });
  }
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    throw toAnaxError(error, 'config_invalid');
  }
  const stat = await lstat(path).catch(() => undefined);
  if (!stat) return;
  if (!stat.isSocket()) throw new AnaxError('config_invalid', `${path} exists and is no socket`);
  if (await answers(path)) {
    throw new AnaxError('config_invalid', `another daemon listens on ${path}`, {
      hint: 'stop it, or use another socket',
    });
  }
  await unlink(path);
}

/** Sets the permissions of a listening socket. */
export async function restrictSocket(path: string, mode: number): Promise<void> {
  await chmod(path, mode);
}

/** Whether somebody accepts connections on the socket. */
async function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ path });
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
