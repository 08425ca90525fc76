// One file at one path: kept where it is there already, refused where something else is, else materialized.

import { AnaxError, hasCode, type ManifestFile } from '../core/index.ts';
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

export interface PlaceOptions extends OutputOptions {
  /** Nothing was there a moment ago: it is looked at only if something turns out to be. */
  readonly isNew: boolean;
  /** Whether small copies are on the disk before they have their names. */
  readonly durable: boolean;
}

export async function placeFile(
  deps: OutputDeps,
  file: ManifestFile,
  target: string,
  { overwrite, isNew, durable }: PlaceOptions,
): Promise<FileOutcome> {
  const isSmall = file.sizeBytes <= COPY_UP_TO_BYTES;
  const how = { method: isSmall ? 'copy' : 'link', durable: durable || !isSmall } as const;
  // Absent, it must not replace what comes into being meanwhile.
  const put = (replace: boolean): Promise<FileOutcome> =>
    deps.materialize(contentDigest(file), target, { ...how, replace });
  if (isNew) {
    try {
      return await put(false);
    } catch (error) {
      if (!hasCode(error, 'output_exists')) throw error;
    }
  }
  const existing = await compareExisting(deps, target, file);
  if (existing === 'same') return 'kept';
  const mayReplace = overwrite || existing === 'absent' || existing === 'empty';
  if (!mayReplace) throw outputExists(file, target);
  return await put(existing !== 'absent');
}

function outputExists(file: ManifestFile, target: string): AnaxError {
  return new AnaxError('output_exists', target, { details: { file: file.path, target } });
}
