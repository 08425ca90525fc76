// Documentation that is made from the code, or claims what the code says, is held to it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configTable } from '../src/config/index.ts';
import { errorTable } from '../src/core/index.ts';

const operations = readFileSync(join(import.meta.dirname, '..', 'docs', 'OPERATIONS.md'), 'utf8');

test('the table of settings is the one of the schema', () => {
  const [, found] = /<!-- settings: begin -->\n([^]*?)\n?<!-- settings: end -->/u.exec(operations) ?? [];
  assert.equal(found?.trim(), configTable().trim(), 'put the output of configTable() between the marks');
});

test('every error code stands beside its exit code', () => {
  for (const [code, { exitCode }] of Object.entries(errorTable)) {
    const row = operations.split('\n').find((line) => line.startsWith(`| ${exitCode} |`));
    assert.ok(row?.includes(`\`${code}\``), `${code} is missing in the row of exit code ${exitCode}`);
  }
});
