import { ulid } from 'ulid';

import { randomBytes } from './randomBytes.ts';

/** Prefixes say what an id names wherever it turns up: in a log line, a job, a support ticket. */
export type IdPrefix =
  'st' | 'key' | 'evt' | 'ob' | 'rla' | 'rlc' | 'rtx' | 'rfd' | 'we' | 'wd' | 'wa' | 'req';

/** How many characters of a ULID are random: ulid asks for a number for each. */
const RANDOM_CHARACTERS = 16;

/**
 * `<prefix>_<ULID>`: 26 characters that sort by creation time, unguessable enough to be unique and
 * never used as a secret.
 */
export function newId(prefix: IdPrefix, now: Date): string {
  const random = randomBytes(RANDOM_CHARACTERS);
  let used = 0;
  return `${prefix}_${ulid(now.getTime(), () => random.readUInt8(used++) / 256)}`;
}
