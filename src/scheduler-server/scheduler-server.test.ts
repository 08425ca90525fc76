// Daemons and a scheduler over real sockets.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import {
  type BlobKey,
  type Clock,
  createIdentity,
  hasCode,
  isGrantOf,
  type PeerInfo,
  peerIdOf,
  signReaderGrant,
  silentLogger,
} from '../core/index.ts';
import { type AttendRequestInit, createSchedulerClient, peerToWire } from '../rpc/index.ts';
import {
  connectScheduler,
  type JoinFacts,
  type SchedulerServer,
  type SchedulerServerOptions,
  startScheduler,
} from './index.ts';
import {
  FAST,
  heldBytes,
  joinFacts,
  Listener,
  newPeer,
  PIECES,
  realClock,
  SNAPSHOT,
} from './link-harness.ts';
import { Outbox } from './outbox.ts';

const { signal } = new AbortController();

describe('a scheduler over h2c', { timeout: 30_000 }, () => {
  const stops: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  });

  async function serve(changes: Partial<SchedulerServerOptions> = {}): Promise<SchedulerServer> {
    const server = await startScheduler({
      host: '127.0.0.1',
      port: 0,
      identity: createIdentity(),
      logger: silentLogger,
      clock: realClock,
      tickMs: 20,
      limits: FAST,
      ...changes,
    });
    stops.push(() => server.stop());
    return server;
  }

  /** A daemon that attends and joins what `swarms` has. */
  async function attend(
    url: string,
    peer: PeerInfo,
    swarms: JoinFacts[] = [],
    clock: Clock = realClock,
  ): Promise<Listener> {
    const link = connectScheduler({
      url,
      self: peer,
      logger: silentLogger,
      clock,
      random: Math.random,
      rejoin: () => swarms,
    });
    const listener = new Listener(link);
    stops.push(() => link.stop());
    await link.start();
    await listener.next('connected');
    return listener;
  }

  function rawClient(url: string) {
    const client = createSchedulerClient(url);
    const requests = new Outbox<AttendRequestInit>(100);
    stops.push(() => {
      requests.end();
      client.close();
    });
    return { requests, responses: client.attend(requests, signal)[Symbol.asyncIterator](), client };
  }

  it('moves the lease when its holder is lost, for just the pieces that nobody has', async () => {
    const { url } = await serve();
    const [first, second] = [newPeer(), newPeer()];
    const holder = await attend(url, first, [joinFacts()]);
    const lease = await holder.next('lease');
    const other = await attend(url, second, [joinFacts()]);
    assert.deepEqual(
      (await other.next('neighbours')).peers.map(({ id }) => id),
      [first.id],
    );
    await holder.link.stop();
    const question = await other.next('reportHoldings');
    assert.deepEqual(question.holders, [], 'it said goodbye');
    other.link.tell({ kind: 'holdings', snapshot: SNAPSHOT, held: heldBytes(0, 1, 2), heard: [] });
    const moved = await other.next('lease');
    assert.deepEqual(moved.spans, [{ start: 3, end: PIECES }]);
    assert.equal(moved.epoch > lease.epoch, true);
  });

  it('finds a holder lost whose stream breaks, and asks the others whether they still hear it', async () => {
    const { url } = await serve();
    const peer = newPeer();
    const raw = rawClient(url);
    raw.requests.push({ message: { case: 'announce', value: { peer: peerToWire(peer) } } });
    raw.requests.push({
      message: { case: 'join', value: { snapshotId: SNAPSHOT, pieceCount: PIECES, url: 'u' } },
    });
    for (let seen = ''; seen !== 'lease'; ) seen = (await raw.responses.next()).value?.message.case ?? '';
    const other = await attend(url, newPeer(), [joinFacts()]);
    raw.client.close();
    assert.deepEqual((await other.next('reportHoldings')).holders, [peer.id]);
    other.link.tell({ kind: 'holdings', snapshot: SNAPSHOT, held: heldBytes(0), heard: [peer.id] });
    assert.deepEqual((await other.next('reportHoldings')).holders, [peer.id], 'it is asked again');
    assert.equal(other.count('lease'), 0);
    other.link.tell({ kind: 'holdings', snapshot: SNAPSHOT, held: heldBytes(0), heard: [] });
    assert.deepEqual((await other.next('lease')).spans, [{ start: 1, end: PIECES }]);
  });

  it('tells who holds a blob, until that one is gone', async () => {
    const { url } = await serve();
    const [first, second] = [newPeer(), newPeer()];
    const [holder, other] = [await attend(url, first), await attend(url, second)];
    const keys = ['01', '02', '03'].map((byte) => byte.repeat(32) as BlobKey);
    const [held = assert.fail()] = keys;
    holder.link.tell({ kind: 'blobsHeld', isAll: true, gained: [held], lost: [] });
    // An answer on the same stream: what was said before it has been heard.
    await holder.link.findBlobs([], signal);
    const found = await other.link.findBlobs(keys, signal);
    assert.deepEqual(
      found.map(({ key, holders }) => [key, holders.map(({ id }) => id)]),
      [[held, [first.id]]],
    );
    await holder.link.stop();
    assert.deepEqual(await other.link.findBlobs(keys, signal), []);
  });

  it('ends the stream of one that names blobs by what are no keys', async () => {
    const { url } = await serve();
    const raw = rawClient(url);
    raw.requests.push({ message: { case: 'announce', value: { peer: peerToWire(newPeer()) } } });
    raw.requests.push({
      message: { case: 'findBlobs', value: { requestId: 1, keys: [new Uint8Array(31)] } },
    });
    await assert.rejects(async () => {
      for (let end = false; !end; ) end = (await raw.responses.next()).done ?? false;
    }, /not a snapshot id/u);
  });

  it('can be stopped and started again: daemons come back, and nothing is granted twice', async () => {
    const identity = createIdentity();
    const server = await serve({ identity });
    const swarms = [joinFacts()];
    const holder = await attend(server.url, newPeer(), swarms);
    const { epoch } = await holder.next('lease');
    swarms[0] = joinFacts({ lease: { epoch, spans: [{ start: 2, end: PIECES }] }, held: heldBytes(0, 1) });
    const other = await attend(server.url, newPeer(), [joinFacts({ held: heldBytes(0) })]);
    await other.next('neighbours');

    await server.stop();
    const { error } = await holder.next('disconnected');
    assert.equal(error?.code, 'scheduler_unavailable');
    await other.next('disconnected');
    const limits = { ...FAST, startSettleMs: 200, restartSettleMs: 1_000 };
    await serve({ identity, port: server.port, limits });
    assert.equal((await holder.next('connected')).keyChanged, false);
    await holder.next('neighbours');
    await other.next('neighbours');
    holder.link.tell({ kind: 'leaseDone', snapshot: SNAPSHOT, epoch });
    // What it claimed and read is known for held.
    other.link.join(joinFacts({ held: heldBytes(0) }));
    await other.next('neighbours');
    assert.deepEqual([holder.count('lease'), other.count('lease')], [1, 0]);
  });

  it('that lost its key believes who read before it, by the word of who was there', async () => {
    const reader = createIdentity();
    const claim = { snapshot: SNAPSHOT, epoch: 5, readerKey: reader.publicKey };
    const grants = [signReaderGrant(createIdentity(), claim)];
    const identity = createIdentity();
    const { url } = await serve({ identity });
    const member = await attend(url, newPeer(), [joinFacts({ held: heldBytes(0, 1), grants })]);
    const { grant } = await member.next('trust');
    assert.equal(isGrantOf(identity.publicKey, grant), true);
    assert.deepEqual(grant.readerKey, reader.publicKey);
    const own = [signReaderGrant(identity, claim)];
    const other = 'cd'.repeat(32) as typeof SNAPSHOT;
    const second = await attend(url, newPeer(), [
      joinFacts({ snapshot: other, held: heldBytes(0), grants: own }),
    ]);
    await second.next('neighbours');
    await second.link.locate('x', [], AbortSignal.timeout(5_000));
    assert.equal(second.count('trust'), 0, 'its own need no word');
  });

  it('shares its budget for an origin among who reads there, and passes on what the origin asks for', async () => {
    const limits = { ...FAST, originConnections: 3, originBytesPerSecond: 1_000 };
    const { url } = await serve({ limits });
    const first = await attend(url, newPeer(), [joinFacts()]);
    assert.deepEqual(await first.next('originShare'), {
      kind: 'originShare',
      origin: 'hub.example',
      connections: 3,
      bytesPerSecond: 1_000,
      requestsPerMinute: undefined,
      pauseMs: 0,
    });
    const other = 'cd'.repeat(32) as typeof SNAPSHOT;
    const second = await attend(url, newPeer(), [joinFacts({ snapshot: other })]);
    assert.equal((await first.next('originShare')).connections, 2);
    assert.equal((await second.next('originShare')).connections, 1);
    second.link.tell({ kind: 'throttled', waitMs: 40_000 });
    assert.equal((await first.next('originShare')).pauseMs, 40_000);
  });

  it('with another key is told apart', async () => {
    const server = await serve();
    const daemon = await attend(server.url, newPeer());
    const former = daemon.link.schedulerKey;
    await server.stop();
    await daemon.next('disconnected');
    assert.equal(daemon.link.connected, false);
    await serve({ port: server.port });
    const { keyChanged, schedulerKey } = await daemon.next('connected');
    assert.equal(keyChanged, true);
    assert.notDeepEqual(schedulerKey, former);
  });

  it('answers a question that was asked while it was away', async () => {
    const server = await serve();
    const seed = newPeer('seed');
    const daemon = await attend(server.url, newPeer());
    await server.stop();
    await daemon.next('disconnected');
    const answer = daemon.link.locate('ref', [], signal);
    const again = await serve({ port: server.port, limits: { ...FAST, peerTtlMs: 3_000 } });
    await attend(again.url, seed);
    assert.equal(typeof (await answer).id, 'string');
    assert.equal((await daemon.link.locate('other ref', [], signal)).id, seed.id);
  });

  it('is attended over a new connection where one gives no answer, as after a network that was cut', async () => {
    const server = await serve();
    const sockets: Socket[] = [];
    const way = createServer((socket) => {
      const isFirst = sockets.push(socket.on('error', () => undefined)) === 1;
      if (isFirst) return;
      const onward = connect(server.port, '127.0.0.1').on('error', () => undefined);
      sockets.push(onward);
      socket.pipe(onward).pipe(socket);
    });
    stops.push(() => {
      way.close();
      for (const socket of sockets) socket.destroy();
    });
    await once(way.listen(0, '127.0.0.1'), 'listening');
    const { port } = way.address() as AddressInfo;
    const hasty: Clock = { ...realClock, sleep: (ms, stop) => realClock.sleep(ms / 20, stop) };
    await attend(`http://127.0.0.1:${port}`, newPeer(), [], hasty);
  });

  it('tells in Status who attends and who reads', async () => {
    const { url } = await serve({ version: '1.2.3' });
    const peer = newPeer();
    const daemon = await attend(url, peer, [joinFacts({ held: heldBytes(0) })]);
    const { epoch } = await daemon.next('lease');
    const client = createSchedulerClient(url);
    stops.push(() => client.close());
    const status = await client.status(signal);
    assert.equal(status.version, '1.2.3');
    assert.deepEqual(
      status.peers.map(({ info, swarms }) => [info?.peerId, swarms]),
      [[peer.id, 1]],
    );
    const [swarm] = status.swarms;
    assert.deepEqual([swarm?.snapshotId, swarm?.peers, swarm?.completePeers], [SNAPSHOT, 1, 0]);
    assert.deepEqual(
      swarm?.leases.map((lease) => [lease.peerId, Number(lease.epoch), lease.pieces]),
      [[peer.id, epoch, PIECES - 1]],
    );
  });

  it('keeps a quiet daemon by keepalives, and drops a silent one', async () => {
    const { url } = await serve({ limits: { ...FAST, peerTtlMs: 300 } });
    const daemon = await attend(url, newPeer());
    const raw = rawClient(url);
    raw.requests.push({ message: { case: 'announce', value: { peer: peerToWire(newPeer()) } } });
    await assert.rejects(
      async () => {
        for (let next = await raw.responses.next(); !next.done; ) next = await raw.responses.next();
      },
      { code: 'timeout' },
    );
    assert.equal(daemon.link.connected, true);
    assert.equal(daemon.count('disconnected'), 0);
  });

  it('lets a newer stream of a peer take the place of the older', async () => {
    const { url } = await serve();
    const announcement: AttendRequestInit = {
      message: { case: 'announce', value: { peer: peerToWire(newPeer()) } },
    };
    const [older, newer] = [rawClient(url), rawClient(url)];
    older.requests.push(announcement);
    assert.equal((await older.responses.next()).value?.message.case, 'welcome');
    newer.requests.push(announcement);
    assert.equal((await newer.responses.next()).value?.message.case, 'welcome');
    await assert.rejects(older.responses.next(), { code: 'identity_in_use' });
    newer.requests.push({ message: { case: 'locate', value: { requestId: 3, refKey: 'r' } } });
    const { value } = await newer.responses.next();
    assert.equal(value?.message.case, 'located');
  });

  it('is not fought over by two daemons of one identity: the former waits', async () => {
    const { url } = await serve();
    const [peer, pauses] = [newPeer(), [] as number[]];
    const clock: Clock = {
      ...realClock,
      sleep: (ms, ended) => {
        if (ms >= 30_000) pauses.push(ms);
        return realClock.sleep(ms, ended);
      },
    };
    const former = await attend(url, peer, [], clock);
    const latter = await attend(url, { ...peer, hostname: 'twin' });
    const { error } = await former.next('disconnected');
    assert.ok(hasCode(error, 'identity_in_use'));
    assert.match(error.message, /from twin now$/u);
    await realClock.sleep(300);
    assert.equal(pauses.length, 1);
    await assert.rejects(former.link.locate('r', [], signal), { code: 'identity_in_use' });
    assert.equal(former.link.connected, false);
    assert.equal(latter.link.connected, true);
    assert.equal(latter.count('disconnected'), 0);
  });

  const announce = (peer: PeerInfo): AttendRequestInit => ({
    message: { case: 'announce', value: { peer: peerToWire(peer) } },
  });
  const known = newPeer();
  const nonsense: Record<string, AttendRequestInit[]> = {
    'another message before announce': [{ message: { case: 'keepalive', value: {} } }],
    'an announce without a peer': [{ message: { case: 'announce', value: {} } }],
    'an id that is not of the key': [announce({ ...known, id: peerIdOf(new Uint8Array(32)) })],
    'two peers on one stream': [announce(known), announce(newPeer())],
    'a join of nothing': [announce(known), { message: { case: 'join', value: { snapshotId: 'x' } } }],
    'a number beyond all bounds': [
      announce(known),
      { message: { case: 'join', value: { snapshotId: SNAPSHOT, lease: { epoch: 2n ** 64n - 1n } } } },
    ],
    'a question that is too long': [
      announce(known),
      { message: { case: 'locate', value: { refKey: 'x'.repeat(5_000) } } },
    ],
  };
  for (const [what, requests] of Object.entries(nonsense)) {
    it(`ends the stream of ${what}, and no other`, async () => {
      const { url } = await serve();
      const peer = newPeer();
      const daemon = await attend(url, peer);
      const raw = rawClient(url);
      for (const request of requests) raw.requests.push(request);
      await assert.rejects(
        async () => {
          for (let next = await raw.responses.next(); !next.done; ) next = await raw.responses.next();
        },
        { code: 'peer_protocol' },
      );
      assert.equal((await daemon.link.locate('r', [], signal)).id, peer.id);
      assert.equal(daemon.count('disconnected'), 0);
    });
  }

  it('ignores a join that makes no sense', async () => {
    const { url } = await serve();
    const daemon = await attend(url, newPeer());
    daemon.link.join(joinFacts({ held: new Uint8Array(99) }));
    daemon.link.join(joinFacts());
    assert.deepEqual((await daemon.next('neighbours')).peers, []);
    assert.equal(daemon.count('neighbours'), 1);
  });
});
