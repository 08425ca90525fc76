// The data file of a blob. Who serves a piece borrows the open file, for as long as a slow reader takes: closing does not
// wait for that, the last who has it closes it. So a number of a file in use never comes to mean another file.

import type { StoreFile } from './store-fs.ts';

export class DataFile {
  readonly handle: StoreFile;
  #borrowed = 0;
  #closing = false;

  constructor(handle: StoreFile) {
    this.handle = handle;
  }

  /** Keeps the file open until what is returned is called; further calls of that do nothing. */
  borrow(): () => void {
    this.#borrowed += 1;
    let returned = false;
    return () => {
      if (returned) return;
      returned = true;
      this.#borrowed -= 1;
      // Nothing is lost where closing fails: all that was written was flushed, or is hashed again at the next load.
      if (this.#closing && this.#borrowed === 0) this.handle.close().catch(() => undefined);
    };
  }

  /** Closes the file, or leaves that to the last who borrowed it. To be called once. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#borrowed === 0) await this.handle.close();
  }
}
