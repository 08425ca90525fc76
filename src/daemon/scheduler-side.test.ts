import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type LogFields, MiB, silentLogger } from '../core/index.ts';
import type { SchedulerServer } from '../scheduler-server/index.ts';
import { repositoryOf, startHost, startTestScheduler, type TestHost } from './cluster-harness.ts';

/** A scheduler, and whom it hears accused, by whom. */
async function startListening(context: TestContext, port = 0) {
  const heard: LogFields[] = [];
  const warn = (message: string, { peer, by }: LogFields = {}): void => {
    if (/^peer (?:suspected|condemned)$/u.test(message)) heard.push({ peer, by });
  };
  const server = await startTestScheduler(context, port, {}, { ...silentLogger, warn });
  return { server, heard };
}

/** Whatever it gives from its store has a wrong byte. */
function startLying({ store }: TestHost): void {
  const open = store.open.bind(store);
  store.open = async (spec) => {
    const blob = await open(spec);
    const trueSpan = blob.span.bind(blob);
    const span = (index: number) => {
      const found = trueSpan(index);
      writeSync(found.fd, 'a lie', found.offsetBytes);
      return found;
    };
    return Object.assign(blob, { span });
  };
}

/** One host was lied to by the only other, and has read the origin itself. */
async function deceive(context: TestContext, { url }: SchedulerServer) {
  const model = repositoryOf({ 'model.bin': Buffer.alloc(2 * MiB, 'the truth ') });
  const liar = await startHost(context, url, { role: 'seed', repositories: [model] });
  startLying(liar);
  await liar.fetch(model);
  const deceived = await startHost(context, url, { repositories: [model] });
  await deceived.fetch(model);
  return { deceived, accusation: { peer: liar.identity.id, by: deceived.identity.id } };
}

test('peers that served wrong bytes are told of again to a scheduler that was away', async (context) => {
  const first = await startListening(context);
  const { deceived, accusation } = await deceive(context, first.server);
  assert.deepEqual(first.heard, [accusation]);
  await first.server.stop();
  const second = await startListening(context, Number(new URL(first.server.url).port));
  // What is said on connecting has been heard before this.
  await deceived.tellBlobs();
  assert.deepEqual(second.heard, [accusation]);
});

test('they are told of again with each search for neighbours', async (context) => {
  const { server, heard } = await startListening(context);
  const { deceived, accusation } = await deceive(context, server);
  for (const session of deceived.sessions.all()) session.scheduler.seek();
  await deceived.tellBlobs();
  assert.deepEqual(heard, [accusation, accusation]);
});
