// The hub emulator as a process of its own, with its admin route.

import { join } from 'node:path';
import { type NodeLaunch, type ServiceProcess, startService } from './process.ts';

const ENTRY = join(import.meta.dirname, '..', 'hub-emulator', 'main.ts');

/** What the emulator's admin route counts (see hub-emulator/). */
export interface EmulatorStats {
  readonly requests: number;
  readonly hubRequests: number;
  readonly cdnRequests: number;
  readonly contentBytesSent: number;
  readonly credentialLeaks: number;
}

/** A request as the emulator's admin route lists it (see hub-emulator/request-log.ts). */
export interface EmulatorRequest {
  readonly host: 'hub' | 'cdn';
  readonly path: string;
  /** Milliseconds of the emulator's own clock. */
  readonly startedAt: number;
  readonly status: number;
}

interface EmulatorReady {
  readonly url: string;
  readonly adminUrl: string;
  readonly repos: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface Emulator {
  readonly service: ServiceProcess;
  readonly url: string;
  /** Of the admin route (see hub-emulator/admin-server.ts); on the emulator's own loopback. */
  readonly adminUrl: string;
  /** Commits by repository and revision. */
  readonly repos: EmulatorReady['repos'];
  stats(): Promise<EmulatorStats>;
  requests(): Promise<readonly EmulatorRequest[]>;
  reset(): Promise<void>;
  addFault(fault: Readonly<Record<string, unknown>>): Promise<void>;
  clearFaults(): Promise<void>;
  stop(): Promise<void>;
}

/** `options` is the JSON that hub-emulator/main.ts takes. */
export async function startEmulator(
  options: Readonly<Record<string, unknown>>,
  launch: NodeLaunch = {},
): Promise<Emulator> {
  const { service, ready } = await startService<EmulatorReady>({
    ...launch,
    name: 'hub emulator',
    script: ENTRY,
    args: [JSON.stringify(options)],
    readyWithinMs: 120_000,
  });
  const admin = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${ready.adminUrl}${path}`, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    const text = await response.text();
    return text === '' ? undefined : JSON.parse(text);
  };
  return {
    service,
    url: ready.url,
    adminUrl: ready.adminUrl,
    repos: ready.repos,
    stats: async () => (await admin('GET', '/stats')) as EmulatorStats,
    requests: async () => (await admin('GET', '/log')) as EmulatorRequest[],
    reset: async () => void (await admin('POST', '/reset')),
    clearFaults: async () => void (await admin('DELETE', '/faults')),
    addFault: async (fault) => void (await admin('POST', '/faults', fault)),
    stop: async () => void (await service.stop()),
  };
}
