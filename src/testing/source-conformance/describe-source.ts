// The conformance suite of the `Source` port: what every adapter owes its callers, run against an origin that the
// adapter's own test provides. A fresh fixture for each case.

import { afterEach, beforeEach, describe } from 'node:test';
import { contentCases } from './content-cases.ts';
import { failureCases } from './failure-cases.ts';
import type { MakeFixture, SourceFixture } from './fixture.ts';
import { secretCases } from './secret-cases.ts';

export function describeSource(name: string, makeFixture: MakeFixture): void {
  describe(`source ${name}`, () => {
    let current: SourceFixture | undefined;
    const fixture = (): SourceFixture => {
      if (current === undefined) throw new Error('outside a case');
      return current;
    };
    beforeEach(async () => {
      current = await makeFixture();
    });
    afterEach(async () => {
      await current?.close();
      current = undefined;
    });
    describe('content', () => contentCases(fixture));
    describe('failures', () => failureCases(fixture));
    describe('secrets', () => secretCases(fixture));
  });
}
