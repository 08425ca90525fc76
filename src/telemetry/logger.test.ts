import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AnaxError, Secret } from '../core/index.ts';
import { createLogger, type LoggerLevel } from './index.ts';

function recorded(level: LoggerLevel) {
  const lines: string[] = [];
  const output = { write: (line: string) => void lines.push(line) };
  const log = createLogger({ level, fields: { role: 'seed' }, output });
  const records = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, records };
}

describe('the logger', () => {
  it('writes one JSON object a line with level, time, message and fields', () => {
    const { log, lines, records } = recorded('info');
    log.info('peer joined', { peerId: 'ab', count: 3, big: 2n, nothing: undefined });
    assert.equal(lines.length, 1);
    assert.ok(lines[0]?.endsWith('}\n'));
    const { time, ...rest } = records()[0] ?? {};
    assert.match(String(time), /^\d{4}-\d\d-\d\dT/u);
    assert.deepEqual(rest, {
      level: 'info',
      role: 'seed',
      message: 'peer joined',
      peerId: 'ab',
      count: 3,
      big: '2',
    });
  });

  it('writes nothing below its level', () => {
    const { log, records } = recorded('warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    assert.deepEqual(
      records().map(({ message }) => message),
      ['c', 'd'],
    );
    const silent = recorded('silent');
    silent.log.error('e');
    assert.deepEqual(silent.lines, []);
  });

  it('never writes a secret, whatever way it comes', () => {
    const { log, lines } = recorded('debug');
    const hidden = 'hf_SeCrEt';
    const signed = `https://user:${hidden}@cdn.example/file?Signature=${hidden}#${hidden}`;
    log.info(`reading ${signed}`, {
      token: hidden,
      value: new Secret(hidden),
      headers: { Authorization: `Bearer ${hidden}`, 'Set-Cookie': [hidden], accept: '*/*' },
      nested: [{ apiKey: hidden }, new Map([['x-auth-token', hidden]])],
      url: signed,
      where: new URL(signed),
      raw: Buffer.from(hidden),
      error: new AnaxError('origin_unavailable', signed, { cause: new Error(`GET ${signed} failed`) }),
    });
    assert.doesNotMatch(lines.join(''), new RegExp(hidden, 'u'));
    assert.match(lines.join(''), /"accept":"\*\/\*"/u);
    assert.match(lines.join(''), /"code":"origin_unavailable"/u);
  });

  it('bounds what it is given', () => {
    const { log, lines } = recorded('info');
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    log.info('much', { loop, many: Array.from({ length: 10_000 }, (_, i) => i), long: 'x'.repeat(1e6) });
    assert.ok((lines[0]?.length ?? 0) < 20_000);
    assert.match(lines[0] ?? '', /9900 more/u);
  });
});
