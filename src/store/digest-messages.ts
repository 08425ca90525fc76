// What the store and its digest workers say to each other. File descriptors belong to the process, so a worker reads
// from one that the store opened, and the store closes it when the job has ended.

export type DigestRequest =
  | {
      readonly kind: 'start';
      readonly job: number;
      readonly fd: number;
      readonly sizeBytes: number;
      readonly withGitSha1: boolean;
    }
  /** The file holds good bytes up to here. */
  | { readonly kind: 'advance'; readonly job: number; readonly bytes: number }
  | { readonly kind: 'cancel'; readonly job: number };

/** Each job ends with one of these; after it the worker does not touch the descriptor. */
export type DigestReply =
  | {
      readonly kind: 'done';
      readonly job: number;
      readonly sha256: string;
      readonly gitSha1: string | undefined;
    }
  | { readonly kind: 'failed'; readonly job: number; readonly message: string }
  | { readonly kind: 'cancelled'; readonly job: number };
