// Errors as people and scripts read them, and the exit code they end the command with.

import type { Colors } from 'picocolors/types.js';
import { type ErrorRecord, ExitCode, errorTable } from '../core/index.ts';
import { plural } from './text.ts';
import type { FailedFile } from './view-state.ts';

/** Files that failed and are told with all their facts, at most; JSON output has them all. */
const MAX_FILES_TOLD = 20;

/** `dfget: error[code]: message`, then hint and facts, indented. */
export function errorLines(program: string, error: ErrorRecord, colours: Colors): string[] {
  const facts = Object.entries(error.details).map(([name, value]) => `  ${name}: ${oneLine(String(value))}`);
  return [
    `${program}: ${colours.red(`error[${error.code}]`)}: ${oneLine(error.message)}`,
    ...(error.hint === '' ? [] : [`  hint: ${oneLine(error.hint)}`]),
    ...facts,
  ];
}

/** Names come from outside: nothing in them may move the cursor or pretend to be another line. */
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/gu, ' ');
}

export function failedFileLines(program: string, failed: readonly FailedFile[], colours: Colors): string[] {
  const told = failed.slice(0, MAX_FILES_TOLD).flatMap(({ path, error }) => {
    const details = 'file' in error.details ? error.details : { file: path, ...error.details };
    return errorLines(program, { ...error, details }, colours);
  });
  const more = failed.length - MAX_FILES_TOLD;
  return more > 0 ? [...told, `${program}: … and ${plural(more, 'more file')} failed`] : told;
}

export function exitCodeOf(error: ErrorRecord): number {
  return errorTable[error.code].exitCode;
}

/** The exit code that all failed files share, else `failed`; `ok` where none failed. */
export function exitCodeOfFiles(failed: readonly FailedFile[]): number {
  const codes = new Set(failed.map(({ error }) => exitCodeOf(error)));
  if (codes.size === 0) return ExitCode.ok;
  const [only] = codes;
  return codes.size === 1 && only !== undefined ? only : ExitCode.failed;
}
