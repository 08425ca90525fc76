import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { createIdentity, hasCode, MiB, silentLogger } from '../core/index.ts';
import {
  makeTestCertificate,
  type TestCertificate,
  writeCertificate,
} from '../testing/certificates/index.ts';
import { encodeMessage } from './codec.ts';
import { helloFor } from './handshake.ts';
import type { WireMessage } from './messages.ts';
import { PeerTls, type TlsFiles } from './peer-tls.ts';
import type { PeerTransportOptions } from './peer-transport.ts';
import { bindingOf, TlsSessions } from './tls-sockets.ts';
import { contentOf, linkPair, openChannel, proof, RawPeer, readerOf, TestEnd } from './transport-harness.ts';

const ca = makeTestCertificate({ name: 'anax test ca' });
const stranger = makeTestCertificate({ name: 'another ca' });
const certificateOf = (issuer: TestCertificate, validTo?: string) =>
  makeTestCertificate({ name: 'a host', issuer, ...(validTo !== undefined && { validTo }) });

/** Loads certificates for each of some hosts, and cleans up. */
async function withTls(
  hosts: readonly { readonly own: TestCertificate; readonly ca: TestCertificate }[],
  use: (loaded: readonly PeerTls[], files: readonly TlsFiles[]) => Promise<void>,
): Promise<void> {
  const folders = await Promise.all(hosts.map(() => mkdtemp(join(tmpdir(), 'anax-tls-'))));
  const files = await Promise.all(
    hosts.map((host, at) => writeCertificate(folders[at] ?? '', host.own, host.ca)),
  );
  const loaded = await Promise.all(files.map((each) => PeerTls.load(each)));
  try {
    await use(loaded, files);
  } finally {
    for (const each of loaded) each.stop();
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true })));
  }
}

/** Two hosts of one cluster. */
const cluster = () => [certificateOf(ca), certificateOf(ca)].map((own) => ({ own, ca }));

/** What a dial between two ends comes to, and the first warning of the accepting side. */
async function dialBetween(
  dialer: Partial<PeerTransportOptions>,
  acceptor: Partial<PeerTransportOptions>,
): Promise<{ readonly error: unknown; readonly warning: Promise<string>; stop: () => Promise<void> }> {
  const warned = Promise.withResolvers<string>();
  const warn = (message: string, fields?: object) => warned.resolve(`${message} ${JSON.stringify(fields)}`);
  const from = new TestEnd(dialer);
  const to = new TestEnd({ ...acceptor, logger: { ...silentLogger, warn } });
  const { port } = await to.listen();
  const error: unknown = await from.dial(port).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const stop = async () => void (await Promise.all([from.transport.stop(), to.transport.stop()]));
  return { error, warning: warned.promise, stop };
}

for (const acceptedReads of ['onread', 'data'] as const) {
  test(`pieces and calls go over TLS both ways (${acceptedReads})`, async () => {
    await withTls(cluster(), async ([one, other]) => {
      assert.ok(one && other);
      await using pair = await linkPair({ tls: one }, { tls: other, acceptedReads });
      const { dialer, acceptor, dialled, accepted } = pair;
      const channel = await openChannel(dialer, dialled, acceptor, accepted);
      const sizes = [1, 16_384, 512 * 1024 + 13, 3 * MiB + 1, 16 * MiB];
      for (const [taking, giving, end] of [
        [dialled, accepted, acceptor],
        [accepted, dialled, dialer],
      ] as const) {
        const taken = sizes.map(async (sizeBytes, piece) => {
          const received = await taking.requestPiece({ channel, piece, sizeBytes });
          assert.ok(received.bytes.equals(contentOf(piece, sizeBytes)));
          received.release();
        });
        const given = sizes.map(async (sizeBytes, piece) => {
          await end.inbox.next();
          const read = readerOf(contentOf(piece, sizeBytes));
          await giving.sendPiece({ channel, piece, sizeBytes, proof, read });
        });
        await Promise.all([...taken, ...given]);
      }
      acceptor.onCall = async (_method, body) => body;
      assert.equal(Buffer.from(await dialled.call('echo', Buffer.from('hi'))).toString(), 'hi');
    });
  });
}

test('TLS proves who the other end is, plain TCP does not', async () => {
  await withTls(cluster(), async ([one, other]) => {
    assert.ok(one && other);
    await using secure = await linkPair({ tls: one }, { tls: other });
    assert.deepEqual([secure.dialled.remote.isProven, secure.accepted.remote.isProven], [true, true]);
    assert.equal(secure.accepted.remote.peerId, secure.dialer.identity.id);
    await using plain = await linkPair();
    assert.deepEqual([plain.dialled.remote.isProven, plain.accepted.remote.isProven], [false, false]);
  });
});

/** A TLS client that is no transport of ours. */
async function rawTls(port: number, options: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  const common = { port, host: '127.0.0.1', ALPNProtocols: ['anax-peer/1'], rejectUnauthorized: false };
  const socket = tls.connect({ ...common, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

/** What a listening end says to somebody who has a certificate and says this hello. */
async function answerTo(hello: (socket: tls.TLSSocket) => WireMessage): Promise<string> {
  let answer = '';
  await withTls(cluster(), async ([one, other]) => {
    assert.ok(one && other);
    const end = new TestEnd({ tls: one });
    const { port } = await end.listen();
    const socket = await rawTls(port, { secureContext: other.context });
    await using raw = new RawPeer(port, socket);
    raw.say(hello(socket));
    const { code, text } = await raw.hear('goodbye');
    answer = `${code}: ${text}`;
    assert.equal(end.links.size, 0);
    await end.transport.stop();
  });
  return answer;
}

test('a hello without a proof of its key is refused, as is a proof for another connection or of the other role', async () => {
  const identity = createIdentity();
  const facts = { listenPort: 0, role: 'dialer' as const };
  const refused = /^identity: .*the key is not proven/u;
  assert.match(await answerTo(() => helloFor(identity, facts)), refused);
  assert.match(await answerTo(() => helloFor(identity, { ...facts, binding: new Uint8Array(32) })), refused);
  const asAcceptor = (socket: tls.TLSSocket) =>
    helloFor(identity, { ...facts, role: 'acceptor', binding: bindingOf(socket) });
  assert.match(await answerTo(asAcceptor), refused);
  const ofAnother = (socket: tls.TLSSocket) => {
    const { keyProof } = helloFor(createIdentity(), { ...facts, binding: bindingOf(socket) });
    return { ...helloFor(identity, facts), ...(keyProof && { keyProof }) };
  };
  assert.match(await answerTo(ofAnother), refused);
});

const expired = () => certificateOf(ca, '210101000000Z');

const host = (own: TestCertificate, trusted = ca) => ({ own, ca: trusted });
const good = certificateOf(ca);

interface Misfit {
  readonly name: string;
  readonly dialer: ReturnType<typeof host>;
  readonly acceptor: ReturnType<typeof host>;
  readonly why: RegExp;
  /** Who accepts finds the fault, and says so; else the dialer does, and hangs up. */
  readonly isRefused: boolean;
}

const misfits: readonly Misfit[] = [
  {
    name: 'whose CA the dialer does not know',
    dialer: host(good, stranger),
    acceptor: host(good),
    why: /UNABLE_TO|SELF_SIGNED/u,
    isRefused: false,
  },
  {
    name: 'that has expired',
    dialer: host(good),
    acceptor: host(expired()),
    why: /CERT_HAS_EXPIRED/u,
    isRefused: false,
  },
  {
    name: 'and does not know the CA of the dialer',
    dialer: host(certificateOf(stranger)),
    acceptor: host(good),
    why: /tls, its certificate: (?:UNABLE_TO|SELF_SIGNED)/u,
    isRefused: true,
  },
  {
    name: 'and finds that of the dialer expired',
    dialer: host(expired()),
    acceptor: host(good),
    why: /tls, its certificate: CERT_HAS_EXPIRED/u,
    isRefused: true,
  },
];

for (const { name, dialer, acceptor, why, isRefused } of misfits) {
  test(`no link comes to be with a host of a certificate ${name}, and the reason is told`, async () => {
    await withTls([dialer, acceptor], async ([one, other]) => {
      assert.ok(one && other);
      const { error, warning, stop } = await dialBetween({ tls: one }, { tls: other });
      assert.ok(hasCode(error, 'peer_tls'), String(error));
      assert.match(error.message, why);
      if (isRefused) assert.match(await warning, /refused for its TLS/u);
      await stop();
    });
  });
}

test('a host with TLS and one without tell each other', async () => {
  await withTls(cluster(), async ([one]) => {
    assert.ok(one);
    const toPlain = await dialBetween({ tls: one }, {});
    assert.ok(hasCode(toPlain.error, 'peer_tls'));
    assert.match(toPlain.error.message, /one end does not speak TLS/u);
    assert.match(await toPlain.warning, /the peer speaks TLS/u);
    const toSecure = await dialBetween({}, { tls: one });
    assert.ok(hasCode(toSecure.error, 'peer_tls'));
    assert.match(toSecure.error.message, /one end does not speak TLS/u);
    assert.match(await toSecure.warning, /one end does not speak TLS/u);
    await Promise.all([toPlain.stop(), toSecure.stop()]);
  });
});

test('who shows no certificate is refused, with the ticket that it got for it as well', async () => {
  await withTls(cluster(), async ([one]) => {
    assert.ok(one);
    const end = new TestEnd({ tls: one });
    const { port } = await end.listen();
    let session: Buffer | undefined;
    for (const _ of ['first', 'resumed']) {
      const socket = await rawTls(port, session ? { session } : {});
      assert.equal(socket.isSessionReused(), session !== undefined);
      socket.once('session', (ticket) => {
        session = ticket;
      });
      await using raw = new RawPeer(port, socket);
      assert.equal((await raw.hear('goodbye')).code, 'tls');
      await raw.closed;
    }
    assert.equal(end.links.size, 0);
    await end.transport.stop();
  });
});

test('ciphers other than AES-GCM and versions before 1.3 are not spoken', async () => {
  await withTls(cluster(), async ([one]) => {
    assert.ok(one);
    const end = new TestEnd({ tls: one });
    const { port } = await end.listen();
    const { cert, key } = one.material;
    for (const options of [{ ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }, { maxVersion: 'TLSv1.2' as const }]) {
      await assert.rejects(rawTls(port, { cert, key, ...options }), /alert/u);
    }
    const { name } = (await rawTls(port, { cert, key })).getCipher();
    assert.equal(name, 'TLS_AES_128_GCM_SHA256');
    await end.transport.stop();
  });
});

test('the second connection to a host resumes the session of the first, and a link begins on it', async () => {
  await withTls(cluster(), async ([one, other]) => {
    assert.ok(one && other);
    const end = new TestEnd({ tls: one });
    const { port } = await end.listen();
    const sessions = new TlsSessions(other);
    const reused: boolean[] = [];
    for (let round = 0; round < 2; round += 1) {
      const reader = { target: (shared: Buffer) => shared, take: () => true };
      const address = { host: '127.0.0.1', port };
      const socket = sessions.connect(other, address, Buffer.alloc(65_536), reader);
      const ticket = round === 0 ? once(socket, 'session') : undefined;
      await once(socket, 'secureConnect');
      reused.push(socket.isSessionReused());
      socket.write(
        encodeMessage(
          helloFor(createIdentity(), { listenPort: 0, role: 'dialer', binding: bindingOf(socket) }),
        ),
      );
      assert.ok((await end.links.next()).remote.isProven);
      await ticket;
      socket.destroy();
    }
    assert.deepEqual(reused, [false, true]);
    sessions.stop();
    await end.transport.stop();
  });
});

test('certificates that change are taken for new links, and the old links stay', async () => {
  const hosts = cluster();
  await withTls(hosts, async ([one, other], [files]) => {
    assert.ok(one && other && files);
    await using pair = await linkPair({ tls: other }, { tls: one });
    assert.equal(await one.reload(), false);
    await writeFile(files.key, 'half a file');
    assert.equal(await one.reload(), false);
    const fresh = makeTestCertificate({ name: 'the host again', issuer: ca });
    await writeFile(files.cert, fresh.cert);
    await writeFile(files.key, fresh.key);
    assert.equal(await one.reload(), true);
    const { port } = await pair.acceptor.listen();
    const socket = await rawTls(port, { secureContext: other.context });
    assert.match(socket.getPeerX509Certificate()?.subject ?? '', /the host again/u);
    socket.destroy();
    pair.acceptor.onCall = async (_method, body) => body;
    assert.equal((await pair.dialled.call('still', Buffer.from('here'))).length, 4);
  });
});

test('files that cannot be read, or do not fit each other, are a configuration error', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'anax-tls-'));
  const files = await writeCertificate(folder, certificateOf(ca), ca);
  await assert.rejects(PeerTls.load({ ...files, cert: join(folder, 'none') }), { code: 'config_invalid' });
  await writeFile(files.key, certificateOf(ca).key);
  await assert.rejects(PeerTls.load(files), { code: 'config_invalid' });
  await rm(folder, { recursive: true });
});

test('handshakes that do not go on count as links, and end after their deadline', async () => {
  await withTls(cluster(), async ([one]) => {
    assert.ok(one);
    const end = new TestEnd({ tls: one, limits: { maxLinks: 1, helloTimeoutMs: 200 } });
    const { port } = await end.listen();
    const mute = net.connect({ host: '127.0.0.1', port });
    const muteClosed = once(mute, 'close');
    await once(mute, 'connect');
    while (end.transport.linkCount === 0) await new Promise(setImmediate);
    const refused = net.connect({ host: '127.0.0.1', port }).on('error', () => undefined);
    await once(refused, 'close');
    mute.resume();
    await muteClosed;
    while (end.transport.linkCount > 0) await new Promise(setImmediate);
    await end.transport.stop();
  });
});
