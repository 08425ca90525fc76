import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode, type Source } from '../core/index.ts';
import { systemClock } from '../system/index.ts';
import { createSources } from './index.ts';

describe('source registry', () => {
  it('finds the source for a URL in any letter case', async () => {
    const sources = createSources({ clock: systemClock, version: '1.2.3' });
    assert.deepEqual(sources.schemes, ['file', 'hf', 'http', 'https', 'modelscope']);
    assert.equal(sources.sourceFor('HF://gpt2'), sources.byScheme('hf'));
    assert.equal(sources.sourceFor('https://host/f'), sources.sourceFor('http://host/f'));
    await sources.close();
    await sources.close();
  });

  it('says which schemes there are where one is unknown or missing', async () => {
    const sources = createSources({ clock: systemClock, version: '1.2.3', localFiles: false });
    for (const url of ['s3://bucket/key', 'owner/name', '', 'file:///etc/passwd', '//host/path']) {
      assert.throws(
        () => sources.sourceFor(url),
        (error) =>
          hasCode(error, 'scheme_unknown') && error.hint.includes('hf://') && !error.hint.includes('file://'),
        url,
      );
    }
    assert.throws(() => sources.sourceFor('owner/name'), {
      hint: /^did you mean hf:\/\/owner\/name\? known are/u,
    });
    await sources.close();
  });

  it('takes further sources, for schemes of their own only', async () => {
    const base = createSources({ clock: systemClock, version: '1.2.3' });
    const hf = base.byScheme('hf');
    assert.ok(hf);
    const other: Source = Object.assign(Object.create(hf) as Source, {
      schemes: ['oci'],
      close: async () => {},
    });
    const sources = createSources({ clock: systemClock, version: '1.2.3', extra: [other] });
    assert.equal(sources.sourceFor('oci://registry/name'), other);
    assert.throws(
      () => createSources({ clock: systemClock, version: '1', extra: [hf] }),
      (error) => hasCode(error, 'config_invalid'),
    );
    await sources.close();
    await base.close();
  });
});
