import { randomFillSync } from 'node:crypto';

/**
 * Asking the system costs 10 µs however few bytes are asked for; from a pool, as crypto.randomUUID
 * does it, it is far below one.
 */
const pool = Buffer.alloc(8192);
let used = pool.length;

/**
 * Cryptographically strong random bytes, of which nothing is kept here once they are given out.
 * @throws RangeError for more than the pool holds
 */
export function randomBytes(size: number): Buffer {
  if (size > pool.length) throw new RangeError(`at most ${pool.length} random bytes at a time`);
  if (used + size > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = Buffer.from(pool.subarray(used, used + size));
  pool.fill(0, used, used + size);
  used += size;
  return bytes;
}
