// One file at one path: kept where it is there already, refused where something else is, else materialized.

import { AnaxError, type ManifestFile } from '../core/index.ts';
import { COPY_UP_TO_BYTES, type FileOutcome, type OutputDeps, type OutputOptions } from './output.ts';
import { compareExisting, contentDigest } from './same-content.ts';

/** See `Output.has`. */
export async function isInPlace(
  deps: OutputDeps,
  file: ManifestFile,
  target: string,
  { overwrite }: OutputOptions,
): Promise<boolean> {
  const existing = await compareExisting(deps, target, file);
  if (existing === 'different' && !overwrite) throw outputExists(file, target);
  return existing === 'same';
}

export async function placeFile(
  deps: OutputDeps,
  file: ManifestFile,
  target: string,
  { overwrite }: OutputOptions,
): Promise<FileOutcome> {
  const existing = await compareExisting(deps, target, file);
  if (existing === 'same') return 'kept';
  if (existing !== 'absent' && !overwrite) throw outputExists(file, target);
  const method = file.sizeBytes <= COPY_UP_TO_BYTES ? 'copy' : 'link';
  // Absent, it must not replace what comes into being meanwhile.
  return await deps.materialize(contentDigest(file), target, { replace: existing !== 'absent', method });
}

function outputExists(file: ManifestFile, target: string): AnaxError {
  return new AnaxError('output_exists', target, { details: { file: file.path, target } });
}
