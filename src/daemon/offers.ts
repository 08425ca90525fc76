// What this host can give in one swarm: held pieces with a proof that the other members can check.

import { Bitfield, isUnsigned, type PieceProof, signPiece } from '../core/index.ts';
import type { BlobTask } from './blob-task.ts';
import { isReader, locateTask, type SwarmContext } from './swarm-context.ts';
import type { ServablePiece } from './uploads.ts';

/** The pieces that may be announced. */
export function offeredPieces(context: SwarmContext): Bitfield {
  const offered = new Bitfield(context.map.pieceCount);
  for (const task of context.tasks.values()) {
    for (const index of task.open.held.values()) {
      if (isOffered(context, task, index)) offered.add(task.mapped.pieces.start + index);
    }
  }
  return offered;
}

function isOffered(context: SwarmContext, task: BlobTask, index: number): boolean {
  if (task.status === 'failed') return false;
  return passedOn(context, task, index) !== undefined || mayVouch(context, task, index);
}

/** The proof that came with the piece, if this swarm believes its signer. It names the blob, so an alias won't do. */
function passedOn(
  { trust }: SwarmContext,
  { open, mapped }: BlobTask,
  index: number,
): PieceProof | undefined {
  const proof = open.proof(index);
  if (!proof || open.spec.digest !== mapped.digest) return undefined;
  return trust.isReader(proof.signer) ? proof : undefined;
}

/**
 * A held piece ready to be sent; `undefined` where it is not held or can't be proven. A reader vouches itself for what
 * it holds from another swarm.
 */
export function servablePiece(context: SwarmContext, piece: number): ServablePiece | undefined {
  if (piece >= context.map.pieceCount) return undefined;
  const { task, index } = locateTask(context, piece);
  if (!task.open.held.has(index) || task.status === 'failed') return undefined;
  const proof = passedOn(context, task, index) ?? ownProof(context, task, index);
  if (!proof) return undefined;
  return {
    sizeBytes: context.map.locate(piece).sizeBytes,
    proof,
    span: () => task.open.span(index),
    onDamage: () => context.run(context.deps.onDamage(task.open.spec.digest)),
  };
}

function ownProof(context: SwarmContext, task: BlobTask, index: number): PieceProof | undefined {
  const known = task.open.proof(index);
  if (!known || !mayVouch(context, task, index)) return undefined;
  return signPiece(context.deps.identity, task.mapped, index, known.digest);
}

/** A reader vouches for what was checked: what it borrowed was not before the whole was. */
function mayVouch(context: SwarmContext, { open, status }: BlobTask, index: number): boolean {
  if (!isReader(context)) return false;
  if (status === 'complete') return true;
  const known = open.proof(index);
  return known !== undefined && !isUnsigned(known);
}
