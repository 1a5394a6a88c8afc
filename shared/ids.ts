import { ulid } from 'ulid';

/** Prefixes say what an id names wherever it turns up: in a log line, a job, a support ticket. */
export type IdPrefix = 'st' | 'key' | 'evt' | 'ob' | 'rla' | 'rtx' | 'we' | 'wd' | 'wa' | 'req';

/** `<prefix>_<ULID>`: 26 characters that sort by creation time, unguessable enough to be unique and never used as a secret. */
export function newId(prefix: IdPrefix, now: Date): string {
  return `${prefix}_${ulid(now.getTime())}`;
}
