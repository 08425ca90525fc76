// The scheduler as a server of its own: Connect RPC over HTTP/2 without TLS.

import { Scheduler, startHttp2Server } from '../rpc/index.ts';
import { SchedulerService, type SchedulerServiceOptions } from './scheduler-service.ts';

export interface SchedulerServerOptions extends SchedulerServiceOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface SchedulerServer {
  /** `http://host:port`, for connectScheduler. */
  readonly url: string;
  readonly port: number;
  /** Ends all streams, then listening; waits at most 1 s for peers to let go. Idempotent. */
  stop(): Promise<void>;
}

const STOP_DEADLINE_MS = 1_000;

/** Throws `config_invalid` where the address can't be listened on. */
export async function startScheduler(options: SchedulerServerOptions): Promise<SchedulerServer> {
  const { host, logger } = options;
  const service = new SchedulerService(options);
  const server = await startHttp2Server(
    (router) => void router.service(Scheduler, service.implementation),
    options,
  );
  service.start();
  const port = server.port ?? options.port;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  logger.info('scheduler listens', { url, scheduler: options.identity.id });
  return {
    url,
    port,
    stop: async () => {
      await service.stop();
      await server.close(STOP_DEADLINE_MS);
    },
  };
}
