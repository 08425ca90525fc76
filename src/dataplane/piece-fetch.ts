// One piece on its way from a neighbour into a file, as the main side sees it:
//
//   receiving → (begun) → arrived → landing → landed
//
// It can be given up while it is received; from the arrival on it goes where it belongs, or nowhere.

import {
  AnaxError,
  assert,
  type FileSpan,
  type PieceProof,
  type ProofFinding,
  type ProofTerms,
} from '../core/index.ts';
import type { Answer } from './messages.ts';

/** Writes the piece's bytes, in whatever thread they are. */
export type PutPiece = (place: FileSpan) => Promise<void>;

export interface PieceFetchOptions {
  readonly channel: number;
  readonly piece: number;
  readonly sizeBytes: number;
  /** Gives up receiving; the promise rejects with its reason. */
  readonly signal: AbortSignal;
  /** What the proof is to be checked by, in the thread that the piece comes to. Absent: the proof is not checked. */
  readonly terms?: ProofTerms | undefined;
  /** The piece begins to come, with this proof, of which the terms say so much; whether it is wanted. */
  readonly onBegun: (proof: PieceProof, finding: ProofFinding | undefined) => boolean;
  /** The piece has its proof's digest: puts it where it belongs by `put`, once, or lets it be. */
  readonly land: (proof: PieceProof, put: PutPiece) => Promise<void>;
}

/** `unwanted`: `onBegun` said so. `corrupt`: the bytes have not the proof's digest. */
export type FetchOutcome = 'landed' | 'unwanted' | 'corrupt';

export interface PieceFetchDeps {
  readonly resolve: (outcome: FetchOutcome) => void;
  readonly reject: (error: unknown) => void;
  /** To the core, about this fetch. */
  readonly cancel: () => void;
  readonly put: (place: FileSpan | undefined) => void;
}

export class PieceFetch {
  readonly #options: PieceFetchOptions;
  readonly #deps: PieceFetchDeps;
  readonly #abort = () => this.#giveUp();
  #proof: PieceProof | undefined;
  #isOver = false;
  #hasArrived = false;
  #putting: PromiseWithResolvers<void> | undefined;
  #failure: AnaxError | undefined;

  constructor(options: PieceFetchOptions, deps: PieceFetchDeps) {
    this.#options = options;
    this.#deps = deps;
    options.signal.addEventListener('abort', this.#abort, { once: true });
  }

  #giveUp(): void {
    this.#deps.cancel();
    this.#settle(() => this.#deps.reject(this.#options.signal.reason));
  }

  #settle(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.signal.removeEventListener('abort', this.#abort);
    tell();
  }

  begun(proof: PieceProof, finding: ProofFinding | undefined): void {
    if (this.#isOver) return;
    this.#proof = proof;
    const isWanted = this.#options.onBegun(proof, finding);
    if (isWanted) return;
    this.#settle(() => {
      this.#deps.cancel();
      this.#deps.resolve('unwanted');
    });
  }

  arrived(): void {
    this.#hasArrived = true;
    // Given up in the moment in which it came.
    if (this.#isOver) return this.#deps.put(undefined);
    this.#options.signal.removeEventListener('abort', this.#abort);
    void this.#land();
  }

  async #land(): Promise<void> {
    assert(this.#proof, 'a piece begins before it arrives');
    try {
      await this.#options.land(this.#proof, (place) => this.#put(place));
      this.#settle(() => this.#deps.resolve('landed'));
    } catch (error) {
      this.#settle(() => this.#deps.reject(error));
    }
    if (!this.#putting) this.#deps.put(undefined);
  }

  #put(place: FileSpan): Promise<void> {
    assert(!this.#putting, 'a piece is put once');
    if (this.#failure) return Promise.reject(this.#failure);
    this.#putting = Promise.withResolvers();
    this.#deps.put(place);
    return this.#putting.promise;
  }

  /** The core's answer. */
  done(answer: Answer): void {
    if (answer === 'put') this.#putting?.resolve();
    // Where nobody here dropped it, the core stops.
    if (answer === 'dropped') this.failed(new AnaxError('interrupted'));
    if (answer === 'corrupt') this.#settle(() => this.#deps.resolve('corrupt'));
  }

  failed(error: AnaxError): void {
    this.#failure = error;
    if (this.#putting) this.#putting.reject(error);
    // Of a piece that has arrived, whoever lands it hears of it when he puts it.
    else if (!this.#hasArrived) this.#settle(() => this.#deps.reject(error));
  }
}
