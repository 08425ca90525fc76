import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { hasCode } from '../core/index.ts';
import {
  type ConfigSources,
  configFlags,
  configJsonSchema,
  configTable,
  loadConfig,
  parseDuration,
  parseRate,
  parseSize,
} from './index.ts';

const host = { isRoot: false, home: '/home/ada', hostname: 'node-1', cores: 2 };
const sources: ConfigSources = { part: 'daemon', host, env: {} };

/** Runs with a config file of this content. */
async function withFile<Result>(content: string, use: (file: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'anax-config-'));
  try {
    const file = join(folder, 'anax.json');
    await writeFile(file, content);
    return await use(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function invalid(text: RegExp, hint = /(?:)/u) {
  return (error: unknown) => {
    assert.ok(hasCode(error, 'config_invalid'), String(error));
    assert.match(error.message, text);
    assert.match(error.hint, hint);
    return true;
  };
}

describe('sizes and durations', () => {
  it('are read with their units', () => {
    assert.equal(parseSize('4MiB'), 4 * 1024 * 1024);
    assert.equal(parseSize('1.5 GiB'), 1.5 * 1024 ** 3);
    assert.equal(parseSize('100MB'), 100_000_000);
    assert.equal(parseSize('10Gi'), 10 * 1024 ** 3);
    assert.equal(parseSize('4096'), 4096);
    assert.equal(parseRate('100MiB/s'), 100 * 1024 * 1024);
    assert.equal(parseDuration('500ms'), 500);
    assert.equal(parseDuration('1h30m'), 5_400_000);
  });

  it('are refused where they say nothing clear', () => {
    for (const text of ['', 'MiB', '4 miles', '-1MiB', '1e9', '99999999TiB']) {
      assert.throws(() => parseSize(text), invalid(/not a size/u));
    }
    for (const text of ['', '30', '2 fortnights', 'h', '-1s']) {
      assert.throws(() => parseDuration(text), invalid(/not a duration/u));
    }
  });
});

describe('the configuration', () => {
  it('has defaults for a person and for root', async () => {
    const config = await loadConfig(sources);
    assert.equal(config.host, '127.0.0.1');
    assert.equal(config.port, 7411);
    assert.equal(config.cacheDir, '/home/ada/.cache/anax');
    assert.equal(config.retryWaitMs, 300_000);
    assert.equal(config.scheduler, undefined);
    assert.equal('capacityBytes' in config, false);
    const root = await loadConfig({ ...sources, host: { ...host, isRoot: true }, part: 'scheduler' });
    assert.equal(root.cacheDir, '/var/cache/anax');
    assert.equal(root.socket, '/run/anax/anax.sock');
    assert.equal(root.port, 7410);
  });

  it('takes a thread less than there are cores, at least one and at most two', async () => {
    for (const [cores, workers] of [
      [1, 1],
      [2, 1],
      [3, 2],
      [64, 2],
    ] as const) {
      const config = await loadConfig({ ...sources, host: { ...host, cores } });
      assert.equal(config.workers, workers);
    }
  });

  it('takes the flag before the environment before the file before the default', async () => {
    const content = JSON.stringify({ uploadRate: '1MiB', downloadRate: '1MiB', capacity: 5, zone: 'a' });
    await withFile(content, async (file) => {
      const env = { ANAX_UPLOAD_RATE: '2MiB', ANAX_DOWNLOAD_RATE: '2MiB' };
      const config = await loadConfig({ ...sources, file, env, flags: { uploadRate: '3MiB' } });
      assert.equal(config.uploadBytesPerSecond, 3 * 1024 * 1024);
      assert.equal(config.downloadBytesPerSecond, 2 * 1024 * 1024);
      assert.equal(config.capacityBytes, 5);
      assert.equal(config.zone, 'a');
    });
  });

  it("takes the hubs' own environment names, below its own", async () => {
    const env = { HF_ENDPOINT: 'https://mirror.example/', MODELSCOPE_DOMAIN: 'www.modelscope.ai' };
    const config = await loadConfig({ ...sources, env });
    assert.equal(config.hfEndpoint, 'https://mirror.example');
    assert.equal(config.modelscopeEndpoint, 'https://www.modelscope.ai');
    const own = { ...env, ANAX_HF_ENDPOINT: 'https://own.example' };
    assert.equal((await loadConfig({ ...sources, env: own })).hfEndpoint, 'https://own.example');
  });

  it('passes over the variables that Kubernetes sets for a Service named anax', async () => {
    const env = {
      ANAX_PORT: 'tcp://10.0.0.1:7410',
      ANAX_SERVICE_HOST: '10.0.0.1',
      ANAX_SERVICE_PORT_RPC: '7410',
      ANAX_PORT_7410_TCP_ADDR: '10.0.0.1',
      ANAX_SCHEDULER: 'tcp://10.0.0.1:7410',
    };
    const config = await loadConfig({ ...sources, env });
    assert.equal(config.port, 7411);
    assert.equal(config.scheduler, undefined);
  });

  it('refuses an unknown key, and names it and the nearest known one', async () => {
    await withFile('{"uplaodRate": "1MiB"}', (file) =>
      assert.rejects(loadConfig({ ...sources, file }), invalid(/anax\.json: uplaodRate/u, /uploadRate/u)),
    );
    const env = { ANAX_CACHEDIR: '/x' };
    await assert.rejects(loadConfig({ ...sources, env }), invalid(/ANAX_CACHEDIR/u, /ANAX_CACHE_DIR/u));
  });

  it('refuses a wrong value, and names where it stands', async () => {
    const flag = loadConfig({ ...sources, flags: { uploadRate: 'fast' } });
    await assert.rejects(flag, invalid(/--upload-rate: not a size: fast/u));
    const env = { ANAX_PORT: '70000' };
    await assert.rejects(loadConfig({ ...sources, env }), invalid(/ANAX_PORT: /u));
    await assert.rejects(
      loadConfig({ ...sources, env: { HF_ENDPOINT: 'ftp://x' } }),
      invalid(/HF_ENDPOINT/u),
    );
    await assert.rejects(
      loadConfig({ ...sources, flags: { scheduler: 'http://x:1' } }),
      invalid(/host:port/u),
    );
    await withFile('{"port": ', (file) =>
      assert.rejects(loadConfig({ ...sources, file }), invalid(/anax\.json/u)),
    );
    await withFile('[]', (file) => assert.rejects(loadConfig({ ...sources, file }), invalid(/JSON object/u)));
    await assert.rejects(loadConfig({ ...sources, file: '/no/such' }), invalid(/ENOENT/u));
  });

  it('takes all files of TLS between hosts, or none', async () => {
    const flags = { peerTlsCert: 'a.crt', peerTlsKey: 'a.key', peerTlsCa: 'ca.crt' };
    const { peerTls } = await loadConfig({ ...sources, flags });
    assert.deepEqual(peerTls, { cert: 'a.crt', key: 'a.key', ca: 'ca.crt' });
    assert.equal((await loadConfig(sources)).peerTls, undefined);
    const { peerTlsCa: _, ...some } = flags;
    await assert.rejects(loadConfig({ ...sources, flags: some }), invalid(/peerTlsCa/u));
  });

  it('tells its flags, its docs and its JSON schema', () => {
    const flags = configFlags('command').map(({ flags: text }) => text);
    assert.ok(flags.includes('--cache-dir <dir>'));
    assert.ok(!flags.some((text) => text.startsWith('--upload-rate')));
    assert.match(configTable(), /\| `retryWait` \| `--retry-wait` \| `ANAX_RETRY_WAIT` \| .* \| `5m` \|/u);
    assert.doesNotMatch(configTable(), /\| +\|/u);
    assert.match(JSON.stringify(configJsonSchema()), /"additionalProperties":false/u);
  });
});
