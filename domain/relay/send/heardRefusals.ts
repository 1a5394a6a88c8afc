import type { Context } from '../../../platform/context.ts';
import { addMs } from '../../../shared/clock.ts';
import { createRecentMemory, type RecentMemory } from '../../../shared/createRecentMemory.ts';

/** What the last look at an attempt found. */
interface Heard {
  readonly canGo: boolean;
  /** undefined: it was not refused. */
  readonly refused: Refusals | undefined;
}

/** Its refusals since it was last found to be sendable. */
interface Refusals {
  readonly heardAt: Date;
  /** For how long they were heard by then. */
  readonly heardMs: number;
}

const CAN_GO: Heard = { canGo: true, refused: undefined };
const TOO_EARLY: Heard = { canGo: false, refused: undefined };
/**
 * Of `refusalGraceMs`: so much of it may pass between two looks. So it takes three of them at
 * least, and no more however far apart they are.
 */
const MOST_UNHEARD = 2 / 3;
const MOST_REMEMBERED = 20_000;
const memories = new WeakMap<Context['db'], RecentMemory<Heard>>();

function memoryOf(ctx: Context): RecentMemory<Heard> {
  let memory = memories.get(ctx.db);
  if (memory === undefined) {
    memory = createRecentMemory(MOST_REMEMBERED);
    memories.set(ctx.db, memory);
  }
  return memory;
}

/**
 * That the chain would refuse an attempt is one node's word, at one moment: it may lag, or be on a
 * branch that the others leave. It counts once it was heard at every look for `refusalGraceMs`. In
 * a long queue looks may be far apart: what lies between two of them was heard by nobody, and
 * counts in part. Each process remembers what it heard itself, so another process, or the next one,
 * listens for as long again.
 * @returns undefined: it counts now; else when to look again, soon at first, as one that is wrong
 *   is mostly wrong for a short time
 */
export function hearRefusal(ctx: Context, attemptId: string, nextLook: Date): Date | undefined {
  const memory = memoryOf(ctx);
  const now = ctx.clock.now();
  const { refusalGraceMs } = ctx.config.relay;
  const last = memory.get(attemptId)?.refused;
  const sinceMs = last === undefined ? 0 : Math.max(0, now.getTime() - last.heardAt.getTime());
  const heardMs =
    (last?.heardMs ?? 0) + Math.min(sinceMs, Math.floor(refusalGraceMs * MOST_UNHEARD));
  memory.set(attemptId, { canGo: false, refused: { heardAt: now, heardMs } });
  if (heardMs >= refusalGraceMs) return undefined;
  return addMs(
    now,
    Math.min(Math.max(nextLook.getTime() - now.getTime(), heardMs), refusalGraceMs - heardMs),
  );
}

/**
 * Its permit has a nonce that has not come: that never counts, since the permit before it may come,
 * or come back.
 */
export function hearTooEarly(ctx: Context, attemptId: string): void {
  memoryOf(ctx).set(attemptId, TOO_EARLY);
}

export function wasTooEarly(ctx: Context, attemptId: string): boolean {
  return memoryOf(ctx).get(attemptId) === TOO_EARLY;
}

/** It was found to be sendable: an earlier refusal says nothing any more. */
export function forgetRefusal(ctx: Context, attemptId: string): void {
  const memory = memoryOf(ctx);
  if (memory.get(attemptId)?.canGo === false) memory.set(attemptId, CAN_GO);
}

/** Whether it could not be sent when this process last looked; false where it never did. */
export function wasRefused(ctx: Context, attemptId: string): boolean {
  return memoryOf(ctx).get(attemptId)?.canGo === false;
}
