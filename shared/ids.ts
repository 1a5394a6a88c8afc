import { randomFillSync } from 'node:crypto';
import { ulid } from 'ulid';

/** Prefixes say what an id names wherever it turns up: in a log line, a job, a support ticket. */
export type IdPrefix = 'st' | 'key' | 'evt' | 'ob' | 'rla' | 'rtx' | 'rfd' | 'we' | 'wd' | 'wa' | 'req';

/** `<prefix>_<ULID>`: 26 characters that sort by creation time, unguessable enough to be unique and never used as a secret. */
export function newId(prefix: IdPrefix, now: Date): string {
  return `${prefix}_${ulid(now.getTime(), nextRandom)}`;
}

/** ulid asks for 16 numbers an id; asking the system for each by itself costs 30 µs an id, from a pool it is below one. */
const pool = Buffer.alloc(4096);
let used = pool.length;

function nextRandom(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool.readUInt8(used++) / 256;
}
