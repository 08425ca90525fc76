// The store's index on disk: complete blobs with their fingerprints, and snapshots. It saves reading ten thousand
// sidecars at start-up; what it says of blobs can be rebuilt from them, so a lost write costs nothing but time and the
// database need not be flushed at each of them. Snapshots are forgotten with it. Knows SQL, and nothing of files.

import { DatabaseSync, type StatementSync } from 'node:sqlite';
import {
  AnaxError,
  type Digest,
  decodeManifest,
  encodeManifest,
  type PinnedRef,
  type SnapshotId,
  type StoredPart,
  type StoredSnapshot,
} from '../core/index.ts';
import type { Fingerprint } from './fingerprint.ts';

/** Raised with each change of the tables: an index of another version is dropped and rebuilt. */
const SCHEMA_VERSION = 3;

const SCHEMA = `
  CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, piece_length INTEGER NOT NULL, last_used_ms INTEGER NOT NULL,
    mtime_ns TEXT NOT NULL, inode TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE aliases (
    digest TEXT NOT NULL REFERENCES blobs ON DELETE CASCADE, alias TEXT NOT NULL, PRIMARY KEY (digest, alias)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE parts (
    blob TEXT NOT NULL REFERENCES blobs ON DELETE CASCADE, offset INTEGER NOT NULL, size INTEGER NOT NULL,
    digests TEXT NOT NULL, PRIMARY KEY (blob, offset)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE snapshots (id TEXT PRIMARY KEY, ref TEXT NOT NULL, manifest BLOB NOT NULL) STRICT;
  CREATE TABLE refs (ref_key TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

const SQLITE_FULL = 13;

/** Snapshots that are remembered beside the pinned ones, and refs to them; the longest not stored anew are forgotten. */
export const MAX_SNAPSHOTS = 1_024;
const MAX_REFS = 8_192;

/** Decoded snapshots kept in memory: a gateway asks for the same few all the time. */
const DECODED_SNAPSHOTS = 16;

export interface IndexedBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly pieceLengthBytes: number;
  readonly aliases: readonly Digest[];
  readonly parts: readonly StoredPart[];
  readonly lastUsedAtMs: number;
  readonly fingerprint: Fingerprint;
}

export class IndexDatabase {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #decoded = new Map<SnapshotId, StoredSnapshot>();

  /** Throws SQLite's error where the file is no database that can be used. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    try {
      // NORMAL: a power loss may take the last transactions, never the consistency.
      this.#database.exec(
        'PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON',
      );
      this.#ensureSchema();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  #ensureSchema(): void {
    const version = this.#database.prepare('PRAGMA user_version').get()?.['user_version'];
    if (version === SCHEMA_VERSION) return;
    if (version !== 0) throw new Error(`index schema ${String(version)}`);
    this.#database.exec(`BEGIN; ${SCHEMA} COMMIT`);
  }

  blobs(): IndexedBlob[] {
    const aliases = Map.groupBy(
      this.#prepare('SELECT digest, alias FROM aliases').all(),
      (row) => row['digest'],
    );
    const parts = Map.groupBy(this.#prepare('SELECT * FROM parts').all(), (row) => row['blob']);
    return this.#prepare('SELECT * FROM blobs')
      .all()
      .map((row) => ({
        ...toIndexedFile(row),
        aliases: (aliases.get(row['digest'] ?? null) ?? []).map((of) => of['alias'] as Digest),
        parts: (parts.get(row['digest'] ?? null) ?? []).map(toPart),
      }));
  }

  putBlobs(blobs: readonly IndexedBlob[]): void {
    this.#transaction(() => {
      for (const blob of blobs) this.#putBlob(blob);
    });
  }

  #putBlob(blob: IndexedBlob): void {
    const { digest, sizeBytes, pieceLengthBytes, aliases, parts, lastUsedAtMs, fingerprint } = blob;
    this.#prepare('INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?)').run(
      digest,
      sizeBytes,
      pieceLengthBytes,
      lastUsedAtMs,
      fingerprint.mtimeNs,
      fingerprint.inode,
    );
    for (const alias of aliases)
      this.#prepare('INSERT OR IGNORE INTO aliases VALUES (?, ?)').run(digest, alias);
    for (const part of parts) {
      const insert = this.#prepare('INSERT OR IGNORE INTO parts VALUES (?, ?, ?, ?)');
      insert.run(digest, part.offsetBytes, part.sizeBytes, part.digests.join(' '));
    }
  }

  removeBlobs(digests: readonly Digest[]): void {
    this.#transaction(() => {
      for (const digest of digests) this.#prepare('DELETE FROM blobs WHERE digest = ?').run(digest);
    });
  }

  /** Throws `disk_full` or `disk_io`. `pinned` are ids that are not forgotten. */
  putSnapshot({ id, ref, manifest }: StoredSnapshot, refKey: string, pinned: readonly string[] = []): void {
    this.#decoded.delete(id);
    try {
      this.#transaction(() => {
        const insert = this.#prepare('INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)');
        insert.run(id, JSON.stringify(ref), encodeManifest(manifest));
        this.#prepare('INSERT OR REPLACE INTO refs VALUES (?, ?)').run(refKey, id);
        this.#trimSnapshots(pinned);
      });
    } catch (error) {
      const full = error instanceof Error && 'errcode' in error && error.errcode === SQLITE_FULL;
      throw new AnaxError(full ? 'disk_full' : 'disk_io', 'the index could not be written', { cause: error });
    }
  }

  /** Each store of a snapshot or ref gives it a new, highest rowid. */
  #trimSnapshots(pinned: readonly string[]): void {
    const { changes } = this.#prepare(
      `DELETE FROM snapshots
        WHERE rowid <= (SELECT rowid FROM snapshots ORDER BY rowid DESC LIMIT 1 OFFSET ${MAX_SNAPSHOTS})
          AND id NOT IN (SELECT value FROM json_each(?))`,
    ).run(JSON.stringify(pinned));
    if (changes > 0) this.#decoded.clear();
    this.#prepare(
      `DELETE FROM refs
        WHERE rowid <= (SELECT rowid FROM refs ORDER BY rowid DESC LIMIT 1 OFFSET ${MAX_REFS})
           OR id NOT IN (SELECT id FROM snapshots)`,
    ).run();
  }

  /** `undefined` where there is none, or none that can be read. */
  snapshot(id: SnapshotId): StoredSnapshot | undefined {
    const known = this.#decoded.get(id);
    if (known) return known;
    const row = this.#prepare('SELECT id, ref, manifest FROM snapshots WHERE id = ?').get(id);
    const snapshot = row && toSnapshot(row);
    if (!snapshot) return undefined;
    const [oldest] = this.#decoded.keys();
    if (oldest !== undefined && this.#decoded.size >= DECODED_SNAPSHOTS) this.#decoded.delete(oldest);
    this.#decoded.set(id, snapshot);
    return snapshot;
  }

  /** The last stored first. */
  snapshots(): StoredSnapshot[] {
    const rows = this.#prepare('SELECT id, ref, manifest FROM snapshots ORDER BY rowid DESC').all();
    return rows.map(toSnapshot).filter((snapshot) => snapshot !== undefined);
  }

  snapshotIdOf(refKey: string): SnapshotId | undefined {
    return this.#prepare('SELECT id FROM refs WHERE ref_key = ?').get(refKey)?.['id'] as
      | SnapshotId
      | undefined;
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      // SQLite has rolled back by itself after some errors, such as a full disk.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

function toPart(row: Record<string, unknown>): StoredPart {
  return {
    digests: String(row['digests']).split(' ') as [Digest, ...Digest[]],
    offsetBytes: Number(row['offset']),
    sizeBytes: Number(row['size']),
  };
}

function toIndexedFile(row: Record<string, unknown>): Omit<IndexedBlob, 'aliases' | 'parts'> {
  const digest = row['digest'] as Digest;
  const sizeBytes = Number(row['size']);
  return {
    digest,
    sizeBytes,
    pieceLengthBytes: Number(row['piece_length']),
    lastUsedAtMs: Number(row['last_used_ms']),
    fingerprint: { sizeBytes, mtimeNs: String(row['mtime_ns']), inode: String(row['inode']) },
  };
}

function toSnapshot(row: Record<string, unknown>): StoredSnapshot | undefined {
  const id = row['id'] as SnapshotId;
  try {
    const manifest = decodeManifest(id, row['manifest'] as Uint8Array);
    return { id, ref: JSON.parse(String(row['ref'])) as PinnedRef, manifest };
  } catch {
    return undefined;
  }
}
