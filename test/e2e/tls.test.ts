// A cluster whose hosts speak TLS with each other, with real processes.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { makeTestCertificate, writeCertificate } from '../../src/testing/certificates/index.ts';
import { assertDelivered, cluster, getThrough, modelHub, temporaryFolder } from './support.ts';

const ca = makeTestCertificate({ name: 'the cluster' });

function flagsOf(files: { readonly cert: string; readonly key: string; readonly ca: string }): string[] {
  return Object.entries(files).flatMap(([name, path]) => [`--peer-tls-${name}`, path]);
}

test('a cluster with TLS delivers; a certificate that changes is taken while it runs', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 16 });
  const own = makeTestCertificate({ name: 'a host', issuer: ca });
  const files = await writeCertificate(await temporaryFolder(context), own, ca);
  const { peers, seeds } = await cluster(context, hub, { peers: 3, daemonArgs: flagsOf(files) });
  const [first, ...others] = peers;
  assert.ok(first && others.length === 2);
  await assertDelivered(await getThrough(first, hub).result, first.output);

  const fresh = makeTestCertificate({ name: 'a host again', issuer: ca });
  await writeFile(files.cert, fresh.cert);
  await writeFile(files.key, fresh.key);
  const nodes = [...seeds, ...peers];
  await Promise.all(nodes.map((node) => node.service.logged('the certificate was read again')));
  for (const peer of others) {
    const result = await getThrough(peer, hub).result;
    await assertDelivered(result, peer.output);
    assert.equal(result.summary?.bytesFromPeers, result.summary?.bytes);
  }
});

test('a host whose certificate is of another CA gets nothing from the others, and is named', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 2 });
  const of = async (issuer: typeof ca) =>
    flagsOf(
      await writeCertificate(
        await temporaryFolder(context),
        makeTestCertificate({ name: 'a host', issuer }),
        issuer,
      ),
    );
  const { peers, seeds } = await cluster(context, hub, {
    peers: 1,
    daemonArgs: await of(ca),
    peerArgs: await of(makeTestCertificate({ name: 'another cluster' })),
  });
  const [peer, seed] = [peers[0], seeds[0]];
  assert.ok(peer && seed);
  const { summary, exitCode } = await getThrough(peer, hub, '--timeout', '20s').result;
  assert.notEqual(exitCode, 0);
  assert.equal(summary?.error?.code, 'peer_tls');
  await peer.service.logged('a peer was not reached for its TLS');
});
