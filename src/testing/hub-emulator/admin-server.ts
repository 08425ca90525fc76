/**
 * The admin port of an emulator that runs as its own process: reads its counters and adds faults from outside.
 * JSON over HTTP on loopback; never counted among the hub's requests.
 *
 *   GET /stats · GET /log · POST /reset · POST /faults (a Fault; `match.path` is a regular expression as text)
 *   DELETE /faults · POST /commit {repo, branch, files} · POST /grant {token, repo} · POST /revoke {token, repo}
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { Emulator } from './emulator-options.ts';
import type { Fault } from './faults.ts';
import { filesFromJson, filesSchema, withoutUndefined } from './process-options.ts';
import type { Files } from './repo.ts';

/** What the admin port moves, on either kind of hub. */
export interface AdminTarget extends Emulator {
  commit(ref: string, branch: string, files: Files): string;
  grant(token: string, ref: string): void;
  revoke(token: string, ref: string): void;
}

const match = z.strictObject({
  host: z.enum(['hub', 'cdn']).optional(),
  method: z.string().optional(),
  path: z.string().optional(),
});
const when = {
  match: match.optional(),
  times: z.number().int().optional(),
  skip: z.number().int().optional(),
};
const afterBytes = z.number().int().nonnegative();
const faultSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('status'),
    status: z.number().int(),
    headers: z.record(z.string(), z.string()).optional(),
    body: z.string().optional(),
    ...when,
  }),
  z.strictObject({ kind: z.literal('delay'), delayMs: z.number(), ...when }),
  z.strictObject({ kind: z.literal('reset'), ...when }),
  z.strictObject({ kind: z.literal('hang'), ...when }),
  z.strictObject({ kind: z.literal('cut'), afterBytes, ...when }),
  z.strictObject({ kind: z.literal('cut-reset'), afterBytes, ...when }),
  z.strictObject({ kind: z.literal('stall'), afterBytes, forMs: z.number().optional(), ...when }),
  z.strictObject({ kind: z.literal('corrupt'), atByte: afterBytes.optional(), ...when }),
  z.strictObject({ kind: z.literal('trickle'), bytesPerSecond: z.number().positive(), ...when }),
  z.strictObject({ kind: z.literal('wrong-length'), deltaBytes: z.number().int(), ...when }),
]);
const commitSchema = z.strictObject({ repo: z.string(), branch: z.string(), files: filesSchema });
const grantSchema = z.strictObject({ token: z.string(), repo: z.string() });

export interface AdminServer {
  readonly url: string;
  stop(): Promise<void>;
}

export async function startAdminServer(target: AdminTarget, port: number): Promise<AdminServer> {
  const server: Server = createServer((req, res) => {
    const reply = (status: number, value: unknown): void => {
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    answer(target, req).then(
      (value) => (value === undefined ? reply(404, { error: 'no such route' }) : reply(200, value)),
      (error: unknown) => reply(400, { error: String(error) }),
    );
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

async function answer(target: AdminTarget, req: IncomingMessage): Promise<unknown> {
  switch (`${req.method} ${req.url}`) {
    case 'GET /stats':
      return { ...target.stats(), rssBytes: process.memoryUsage.rss() };
    case 'GET /log':
      return target.log;
    case 'POST /reset':
      target.resetLog();
      return {};
    case 'POST /faults':
      target.faults.add(withoutUndefined(faultSchema.parse(await readJson(req))) as Fault);
      return {};
    case 'DELETE /faults':
      target.faults.clear();
      return {};
    case 'POST /commit': {
      const { repo, branch, files } = commitSchema.parse(await readJson(req));
      return { sha: target.commit(repo, branch, filesFromJson(files)) };
    }
    case 'POST /grant':
    case 'POST /revoke': {
      const { token, repo } = grantSchema.parse(await readJson(req));
      if (req.url === '/grant') target.grant(token, repo);
      else target.revoke(token, repo);
      return {};
    }
    default:
      return undefined;
  }
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  return JSON.parse(await text(req));
}
