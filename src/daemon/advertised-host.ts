// Under which address others reach this host, where nobody said so: the one it reaches the scheduler from.

import { connect } from 'node:net';
import type { Config } from '../config/index.ts';

const LOOK_TIMEOUT_MS = 3_000;

export async function advertisedHost({ advertise, host, scheduler }: Config): Promise<string> {
  if (advertise !== undefined) return advertise;
  const isWildcard = host === '0.0.0.0' || host === '::';
  if (!isWildcard) return host;
  return (scheduler === undefined ? undefined : await addressTowards(scheduler)) ?? '127.0.0.1';
}

function addressTowards(hostAndPort: string): Promise<string | undefined> {
  const colon = hostAndPort.lastIndexOf(':');
  const host = hostAndPort.slice(0, colon).replace(/^\[|\]$/gu, '');
  const socket = connect({ host, port: Number(hostAndPort.slice(colon + 1)), timeout: LOOK_TIMEOUT_MS });
  return new Promise((resolve) => {
    const settle = (address: string | undefined): void => {
      socket.destroy();
      resolve(address);
    };
    socket.once('connect', () => settle(socket.localAddress));
    socket.once('timeout', () => settle(undefined));
    socket.once('error', () => settle(undefined));
  });
}
