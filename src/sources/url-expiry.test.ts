import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signedUrlExpiry } from './url-expiry.ts';

const END = Date.UTC(2026, 9, 1, 13);
const SECONDS = END / 1000;

describe('signed URL expiry', () => {
  const cases: Record<string, [string, number | undefined]> = {
    CloudFront: [`Expires=${SECONDS}&Signature=x`, END],
    S3: ['X-Amz-Date=20261001T120000Z&X-Amz-Expires=3600', END],
    'Google Cloud Storage': ['X-Goog-Date=20261001T120000Z&X-Goog-Expires=3600', END],
    'Aliyun CDN': [`auth_key=${SECONDS}-0-0-00ff`, END],
    Azure: ['se=2026-10-01T13%3A00%3A00Z&sig=x', END],
    'a span where a date should be': ['Expires=3600', undefined],
    nothing: ['', undefined],
  };
  for (const [vendor, [query, expected]] of Object.entries(cases)) {
    it(`is read from the URL of ${vendor}`, () => {
      assert.equal(signedUrlExpiry(new URL(`https://cdn.example/f?${query}`)), expected);
    });
  }
});
