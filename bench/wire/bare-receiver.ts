// The least that a receiver in this runtime can do and still verify and store: one connection, read into a piece, BLAKE3
// of the piece, one write. No protocol, no proofs, no journal, no other thread: what it costs is the floor under any
// daemon on this machine.
//
//   node bench/wire/bare-receiver.ts http://127.0.0.1:80/file target

import { closeSync, openSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { MiB } from '../../src/core/index.ts';
import { loadPieceHash } from '../../src/hashing/index.ts';

/** A daemon's too, for a file of 2 GiB. */
const PIECE_BYTES = 4 * MiB;

const [url = '', target = ''] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);
const { createHasher } = await loadPieceHash();
const file = openSync(target, 'w');
const piece = Buffer.alloc(PIECE_BYTES);
let filled = 0;
let hashed = 0;
let hasher = createHasher();
let isBody = false;

const socket = connect({
  host: hostname,
  port: Number(port),
  onread: {
    buffer: () => piece.subarray(filled),
    callback: (length) => {
      took(length);
      return true;
    },
  },
});
socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
socket.on('error', (error) => {
  throw error;
});
socket.on('close', () => {
  writePiece();
  closeSync(file);
});

function took(length: number): void {
  filled += length;
  if (!isBody) dropHead();
  hasher.update(piece.subarray(hashed, filled));
  hashed = filled;
  if (filled === PIECE_BYTES) writePiece();
}

/** What is in front of the body: nginx sends it in one go with the first of the body, or before it. */
function dropHead(): void {
  const end = piece.subarray(0, filled).indexOf('\r\n\r\n');
  if (end === -1) throw new Error('the head of the answer came in parts');
  if (!piece.toString('latin1', 0, filled).startsWith('HTTP/1.1 200')) throw new Error('no such file');
  piece.copyWithin(0, end + 4, filled);
  filled -= end + 4;
  isBody = true;
}

function writePiece(): void {
  hasher.digest();
  writeSync(file, piece, 0, filled);
  hasher = createHasher();
  filled = 0;
  hashed = 0;
}
