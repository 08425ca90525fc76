// Several threads that listen on one port.

import { createServer } from 'node:net';
import { AnaxError } from '../core/index.ts';

/** Whether this system lets several sockets listen on one port: Linux, FreeBSD, … do; macOS and Windows don't. */
export async function canSharePorts(): Promise<boolean> {
  return (await tryListening({ host: '127.0.0.1', port: 0, reusePort: true })) === undefined;
}

/**
 * Throws `config_invalid` where somebody listens there. A shared port is not refused to another process that shares it,
 * too, such as a second daemon; this is the one who asks for it alone. Port 0 is never somebody's.
 */
export async function assertFree(host: string, port: number): Promise<void> {
  const error = port === 0 ? undefined : await tryListening({ host, port });
  if (!error) return;
  throw new AnaxError('config_invalid', `cannot listen on ${host}:${port}: ${error.message}`, {
    cause: error,
  });
}

interface Address {
  readonly host: string;
  readonly port: number;
  readonly reusePort?: boolean;
}

function tryListening(address: Address): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(address, () => server.close(() => resolve(undefined)));
  });
}
