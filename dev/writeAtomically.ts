import { renameSync, writeFileSync } from 'node:fs';

/**
 * The file is either the old one or the new one, never half of it; readable by its owner only
 * unless `mode` says otherwise.
 */
export function writeAtomically(path: string, text: string, mode = 0o600): void {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}
