import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BlobSpec, MiB } from '../core/index.ts';
import { testBlob } from '../testing/store-conformance/index.ts';
import {
  decodeJournal,
  encodeHeader,
  encodeRecords,
  headerSeed,
  type JournalRecord,
  RECORD_BYTES,
  replay,
} from './journal-format.ts';

const content = testBlob(1, 3 * MiB + 5);
const spec: BlobSpec = content.spec;
const header = encodeHeader(spec);

const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({ index: fc.nat(3), who: fc.string({ maxLength: 3 }) }).map(({ index, who }) => ({
    kind: 'piece' as const,
    index,
    proof: content.proof(index, who),
  })),
  fc.nat(3).map((index) => ({ kind: 'drop' as const, index })),
);

/** Records with sync records among them that cover no more than what was before. */
const records = fc.array(fc.tuple(record, fc.option(fc.nat(100))), { maxLength: 12 }).map((parts) => {
  const all: JournalRecord[] = [];
  for (const [one, sync] of parts) {
    all.push(one);
    if (sync !== null) all.push({ kind: 'sync', covered: Math.min(sync, all.length) });
  }
  return all;
});

function journal(of: readonly JournalRecord[]): Buffer {
  return Buffer.concat([header, encodeRecords(of, 0, headerSeed(header))]);
}

test('a journal reads back as what was written', () => {
  fc.assert(
    fc.property(records, (all) => {
      const read = decodeJournal(journal(all));
      assert.deepEqual(read?.records, all);
      assert.deepEqual(read?.spec, spec);
      assert.equal(read?.validBytes, header.length + all.length * RECORD_BYTES);
    }),
  );
});

test('any prefix of the bytes reads as a prefix of the records', () => {
  fc.assert(
    fc.property(records, fc.nat(), (all, cut) => {
      const bytes = journal(all);
      const read = decodeJournal(bytes.subarray(0, cut % (bytes.length + 1)));
      if (!read) return assert.ok(cut % (bytes.length + 1) < header.length);
      assert.deepEqual(read.records, all.slice(0, read.records.length));
      assert.equal(read.validBytes, header.length + read.records.length * RECORD_BYTES);
    }),
  );
});

test('a flipped bit ends the reading at its record and never yields a wrong one', () => {
  fc.assert(
    fc.property(records, fc.nat(), (all, where) => {
      const bytes = journal(all);
      const bit = where % (bytes.length * 8);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const read = decodeJournal(bytes);
      if (bit >> 3 < header.length) return assert.equal(read, undefined);
      const hit = Math.floor(((bit >> 3) - header.length) / RECORD_BYTES);
      assert.deepEqual(read?.records, all.slice(0, hit));
    }),
    { numRuns: 500 },
  );
});

test('records of another journal, or out of their place, are not taken', () => {
  const one: JournalRecord = { kind: 'piece', index: 1, proof: content.proof(1) };
  const other = encodeHeader({ ...spec, digest: content.gitSha1 });
  const foreign = Buffer.concat([header, encodeRecords([one], 0, headerSeed(other))]);
  assert.deepEqual(decodeJournal(foreign)?.records, []);
  const misplaced = Buffer.concat([header, encodeRecords([one], 1, headerSeed(header))]);
  assert.deepEqual(decodeJournal(misplaced)?.records, []);
});

test('random bytes are no journal', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.equal(decodeJournal(Buffer.from(bytes)), undefined);
      assert.deepEqual(decodeJournal(Buffer.concat([header, bytes]))?.records, []);
    }),
  );
});

test('only pieces recorded before what a sync record covers need not be hashed again', () => {
  const piece = (index: number): JournalRecord => ({ kind: 'piece', index, proof: content.proof(index) });
  const state = replay(spec, [
    piece(0),
    piece(1),
    { kind: 'sync', covered: 1 },
    piece(3),
    { kind: 'drop', index: 3 },
  ]);
  assert.deepEqual([...state.held.values()], [0, 1]);
  assert.deepEqual(state.unsynced, [1]);
  const again = replay(spec, [piece(0), { kind: 'sync', covered: 1 }, { kind: 'drop', index: 0 }, piece(0)]);
  assert.deepEqual(again.unsynced, [0]);
});
