// Standard output for the content of a file: written as fast as it is read, and not waited for once nobody wants it.

export interface BytesOutput {
  /** Resolves when the bytes were taken. Rejects with `EPIPE` where nobody reads any more, and with the signal's reason. */
  write(bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Whether a write was given up that was not taken. As long as whoever should read does nothing, Node would not end. */
  readonly isStuck: boolean;
}

export function createBytesOutput(output: NodeJS.WritableStream): BytesOutput {
  let isStuck = false;
  return {
    get isStuck() {
      return isStuck;
    },
    async write(bytes, signal) {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = (): void => {
        isStuck = true;
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      // A stream tells an error twice, and where nobody listens the second time ends the process.
      output.on('error', reject);
      output.write(bytes, (error) => (error ? reject(error) : resolve()));
      try {
        await promise;
        output.off('error', reject);
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}
