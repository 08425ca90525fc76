// One suite for every kind of link, run on a single daemon: both must behave alike towards it.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import {
  AnaxError,
  type BlobKey,
  createIdentity,
  type PeerInfo,
  silentLogger,
  TrustedReaders,
  toErrorRecord,
} from '../core/index.ts';
import { connectScheduler, createLocalScheduler, type JoinFacts, startScheduler } from './index.ts';
import { FAST, heldBytes, joinFacts, Listener, PIECES, peerOf, realClock, SNAPSHOT } from './link-harness.ts';

const identity = createIdentity();
const self: PeerInfo = peerOf(identity);

interface Made {
  readonly link: Listener;
  stop(): Promise<void>;
}

/** Each makes a link for `self` that is not started yet, and what else must be stopped after it. */
const kinds: Record<string, (rejoin: () => JoinFacts[]) => Promise<Made>> = {
  local: async () => {
    const common = { clock: realClock, random: Math.random, tickMs: 20 };
    const link = createLocalScheduler({ ...common, identity, self, limits: FAST });
    return { link: new Listener(link), stop: () => link.stop() };
  },
  remote: async (rejoin) => {
    const server = await startScheduler({
      host: '127.0.0.1',
      port: 0,
      identity: createIdentity(),
      logger: silentLogger,
      clock: realClock,
      tickMs: 20,
      limits: FAST,
    });
    const common = { clock: realClock, random: Math.random, logger: silentLogger };
    const link = connectScheduler({ ...common, url: server.url, self, rejoin });
    const stop = async (): Promise<void> => {
      await link.stop();
      await server.stop();
    };
    return { link: new Listener(link), stop };
  },
};

for (const [kind, make] of Object.entries(kinds)) {
  describe(`a ${kind} scheduler link`, { timeout: 20_000 }, () => {
    let stop: () => Promise<void> = async () => {};
    afterEach(() => stop());

    async function create(rejoin: () => JoinFacts[] = () => []): Promise<Listener> {
      const made = await make(rejoin);
      stop = () => made.stop();
      return made.link;
    }

    async function connected(): Promise<Listener> {
      const listener = await create();
      await listener.link.start();
      await listener.next('connected');
      return listener;
    }

    it('says when it is connected, and with which key grants will be signed', async () => {
      const listener = await create();
      assert.equal(listener.link.connected, false);
      await listener.link.start();
      await listener.link.start();
      const { schedulerKey, keyChanged } = await listener.next('connected');
      assert.equal(listener.link.connected, true);
      assert.deepEqual(listener.link.schedulerKey, schedulerKey);
      assert.equal(keyChanged, false);
    });

    it('answers the first join with neighbours and a lease whose grant is good', async () => {
      const listener = await connected();
      const { link } = listener;
      link.join(joinFacts({ held: heldBytes(0, 1) }));
      assert.deepEqual((await listener.next('neighbours')).peers, []);
      const lease = await listener.next('lease');
      assert.equal(lease.snapshot, SNAPSHOT);
      assert.deepEqual(lease.spans, [{ start: 2, end: PIECES }]);
      assert.equal(lease.grant.epoch, lease.epoch);
      const trusted = new TrustedReaders(SNAPSHOT);
      assert.ok(link.schedulerKey);
      trusted.trustScheduler(link.schedulerKey);
      assert.equal(trusted.add(lease.grant), true);
      assert.equal(trusted.isReader(self.id), true);
    });

    it('asks for holdings when it joins again without its lease, and grants the rest', async () => {
      const listener = await connected();
      const { link } = listener;
      link.join(joinFacts());
      const first = await listener.next('lease');
      link.join(joinFacts({ held: heldBytes(0) }));
      assert.deepEqual((await listener.next('reportHoldings')).holders, []);
      link.tell({ kind: 'holdings', snapshot: SNAPSHOT, held: heldBytes(0, 1, 2), heard: [] });
      const second = await listener.next('lease');
      assert.deepEqual(second.spans, [{ start: 3, end: PIECES }]);
      assert.equal(second.epoch > first.epoch, true);
    });

    it('lets the swarm fail when nobody can read, with the error that was met', async () => {
      const listener = await connected();
      const { link } = listener;
      link.join(joinFacts());
      const { epoch } = await listener.next('lease');
      const error = toErrorRecord(new AnaxError('access_gated', 'x', { details: { repo: 'owner/name' } }));
      link.tell({ kind: 'leaseDone', snapshot: SNAPSHOT, epoch, error });
      assert.deepEqual((await listener.next('swarmFailed')).error, error);
    });

    it('answers who holds blobs; the one that asks is not named', async () => {
      const { link } = await connected();
      const key = 'cd'.repeat(32) as BlobKey;
      link.tell({ kind: 'blobsHeld', isAll: true, gained: [key], lost: [] });
      assert.deepEqual(await link.findBlobs([key], AbortSignal.timeout(5_000)), []);
      await assert.rejects(link.findBlobs([key], AbortSignal.abort(new Error('over'))), /over/u);
    });

    it('can end a lease, leave, and come again', async () => {
      const listener = await connected();
      const { link } = listener;
      link.join(joinFacts());
      const { epoch } = await listener.next('lease');
      link.tell({ kind: 'leaseDone', snapshot: SNAPSHOT, epoch });
      link.tell({ kind: 'leave', snapshot: SNAPSHOT });
      link.join(joinFacts({ held: heldBytes(...Array(PIECES).keys()) }));
      await listener.next('neighbours');
      link.tell({ kind: 'leave', snapshot: SNAPSHOT });
      link.join(joinFacts());
      await listener.next('neighbours');
      await listener.next('reportHoldings');
    });

    it('locates this host itself where there is nobody else', async () => {
      const { link } = await connected();
      const { signal } = new AbortController();
      assert.equal((await link.locate('ref', [], signal)).id, self.id);
      assert.equal((await link.locate('ref', [self.id], signal)).id, self.id);
    });

    it('passes on why a locate was aborted', async () => {
      const listener = await create();
      const reason = new Error('enough');
      await assert.rejects(listener.link.locate('ref', [], AbortSignal.abort(reason)), reason);
    });

    it('takes a new description of this host and keeps its swarms', async () => {
      const listener = await connected();
      const { link } = listener;
      link.join(joinFacts());
      await listener.next('lease');
      link.announce({ ...self, port: 9 });
      const { signal } = new AbortController();
      assert.equal((await link.locate('ref', [], signal)).port, 9);
      link.join(joinFacts());
      await listener.next('reportHoldings');
    });

    it('is silent after stop, which may be called twice and before start', async () => {
      const listener = await create();
      await listener.link.stop();
      await listener.link.stop();
      listener.link.join(joinFacts());
      assert.deepEqual(listener.all, []);
      assert.equal(listener.link.connected, false);
    });
  });
}
