import type { Context } from '../../../platform/context.ts';
import { sideBySide } from '../../../shared/sideBySide.ts';
import type { ChainPort, EventPoll, SeenEvent } from '../../chain/ports.ts';

/**
 * In one question to each URL, and so many of these at once. After one that not all URLs have
 * answered, the next ones are half as long, down to one event: perhaps it was too much. After one
 * that all have answered, but those that are away, they grow again.
 */
const MOST_PER_POLL = 100;
const POLLS_AT_ONCE = 3;
/**
 * Halved once in so long, and not longer again sooner: while the URLs are away, all fail at once,
 * and none of them was too long.
 */
const HALVED_FOR_MS = 15_000;
/**
 * How soon it is asked again about an event that some URLs show as final and others do not have:
 * URLs take seconds to agree, or an operator.
 */
const DISPUTED_MS = 15_000;

/**
 * After so long without their final blocks it is no lag any more, and is said, each time that so
 * much more has passed.
 */
const STANDSTILL_MS = 60_000;

interface Memory {
  /** The disputed events, and when they are asked about again. */
  readonly nextLooks: Map<string, number>;
  perPoll: number;
  halvedAt: number;
  /** The events that only wait for URLs to come as far: since when, or since it was said. */
  readonly waitingSince: Map<string, number>;
}

/** By process and chain. */
const memories = new WeakMap<Context['db'], Map<number, Memory>>();

/** Without those that are disputed and were asked about a moment ago. */
export function withoutDisputed<Event extends SeenEvent>(
  ctx: Context,
  chainId: number,
  events: readonly Event[],
): Event[] {
  const { nextLooks } = memoryOf(ctx, chainId);
  const now = ctx.clock.now().getTime();
  return events.filter((event) => {
    const waitMs = (nextLooks.get(keyOf(event)) ?? 0) - now;
    // More than that was left by a clock that had jumped ahead.
    return waitMs <= 0 || waitMs > DISPUTED_MS;
  });
}

/**
 * Money counts as received when more of the RPC URLs show its event as final than do not: one alone
 * may be on a branch of its own, may say that its head is higher than it is, or may make events up.
 * One that has not come as far yet is waited for, as is one that was not heard. One that is stuck,
 * or away, is not, unless all of three and more but one are stuck (judgeHeads.ts).
 * @param events that one URL shows as final
 * @param take is given those that count, as soon as some of them were heard of; what is disputed is
 *   said in the log, and waits
 */
export async function takeAgreed<Event extends SeenEvent>(
  ctx: Context,
  chain: ChainPort,
  events: readonly Event[],
  take: (agreed: readonly Event[]) => void,
): Promise<void> {
  const polls = await pollAll(ctx, chain, events, (heard) =>
    take(
      heard
        .filter(([, { final, early, absent, unheard }]) => final > early + absent + unheard)
        .map(([event]) => event),
    ),
  );
  noteDisputes(ctx, chain.chainId, polls);
  noteStandstill(ctx, chain.chainId, polls);
}

function noteDisputes(
  ctx: Context,
  chainId: number,
  polls: ReadonlyMap<SeenEvent, EventPoll>,
): void {
  const { nextLooks } = memoryOf(ctx, chainId);
  const now = ctx.clock.now().getTime();
  for (const [key, at] of nextLooks) if (at <= now) nextLooks.delete(key);
  const disputed = [...polls].filter(
    ([, { final, early, absent }]) => absent > 0 && final <= early + absent,
  );
  for (const [event] of disputed) nextLooks.set(keyOf(event), now + DISPUTED_MS);
  const [first] = disputed;
  if (first === undefined) return;
  const [{ paymentId, nonce }, poll] = first;
  const facts = { chainId, count: disputed.length, paymentId, nonce: nonce?.toString(), poll };
  ctx.log.warn(
    facts,
    'RPC URLs do not agree whether events are final: what they tell of is not completed for now',
  );
}

/** Without a dispute: some URLs show the events as final, and no fewer stand before them. */
function noteStandstill(
  ctx: Context,
  chainId: number,
  polls: ReadonlyMap<SeenEvent, EventPoll>,
): void {
  const { waitingSince } = memoryOf(ctx, chainId);
  const now = ctx.clock.now().getTime();
  // Events that are not asked about any more are forgotten.
  for (const [key, since] of waitingSince)
    if (Math.abs(now - since) > 2 * STANDSTILL_MS) waitingSince.delete(key);
  const due: (readonly [SeenEvent, EventPoll])[] = [];
  for (const [event, poll] of polls) {
    const key = keyOf(event);
    const isWaiting = poll.absent === 0 && poll.final > 0 && poll.final <= poll.early;
    if (!isWaiting) waitingSince.delete(key);
    else if (now - (waitingSince.get(key) ?? now) < STANDSTILL_MS)
      waitingSince.set(key, waitingSince.get(key) ?? now);
    else {
      due.push([event, poll]);
      waitingSince.set(key, now);
    }
  }
  const [first] = due;
  if (first === undefined) return;
  const facts = { chainId, count: due.length, paymentId: first[0].paymentId, poll: first[1] };
  ctx.log.warn(
    facts,
    'RPC URLs are stuck before events that others show as final: what they tell of is not completed for now',
  );
}

/** Those of the events that one URL shows, and that no fewer of the others do not have. */
export async function listContradicted<Event extends SeenEvent>(
  ctx: Context,
  chain: ChainPort,
  events: readonly Event[],
): Promise<Event[]> {
  const polls = await pollAll(ctx, chain, events, () => undefined);
  return events.filter((event) => {
    const poll = polls.get(event);
    return poll !== undefined && poll.absent > 0 && poll.absent >= poll.final;
  });
}

async function pollAll<Event extends SeenEvent>(
  ctx: Context,
  chain: ChainPort,
  events: readonly Event[],
  hear: (polls: readonly (readonly [Event, EventPoll])[]) => void,
): Promise<ReadonlyMap<Event, EventPoll>> {
  const polls = new Map<Event, EventPoll>();
  if (events.length === 0) return polls;
  const memory = memoryOf(ctx, chain.chainId);
  await sideBySide(takeParts(events, memory), POLLS_AT_ONCE, async (part) => {
    const said = await chain.pollEvents(part);
    const heard = part.flatMap((event, index): [Event, EventPoll][] =>
      said[index] === undefined ? [] : [[event, said[index]]],
    );
    for (const [event, poll] of heard) polls.set(event, poll);
    hear(heard);
    adaptLength(memory, {
      length: part.length,
      isHeard: said.some((poll) => isHeard(poll) && poll.unheard === 0),
      now: ctx.clock.now().getTime(),
    });
  });
  const unheard = [...polls.values()].filter((poll) => !isHeard(poll)).length;
  const facts = { chainId: chain.chainId, count: unheard, perPoll: memory.perPoll };
  if (unheard > 0)
    ctx.log.warn(
      facts,
      'no RPC URL says whether events are final: what they tell of is not completed for now',
    );
  return polls;
}

function isHeard({ final, early, absent }: EventPoll): boolean {
  return final + early + absent > 0;
}

function adaptLength(
  memory: Memory,
  poll: { readonly length: number; readonly isHeard: boolean; readonly now: number },
): void {
  // That it lies ahead was left by a clock that had jumped.
  if (Math.abs(poll.now - memory.halvedAt) < HALVED_FOR_MS) return;
  // A shorter one than may be, at the end of all, says nothing of longer ones.
  if (poll.isHeard && poll.length >= memory.perPoll)
    memory.perPoll = Math.min(MOST_PER_POLL, memory.perPoll * 2);
  if (poll.isHeard || poll.length === 1) return;
  memory.perPoll = Math.min(memory.perPoll, Math.ceil(poll.length / 2));
  memory.halvedAt = poll.now;
}

/** Each as long as it may be when its turn comes. */
function* takeParts<Event>(
  events: readonly Event[],
  memory: Pick<Memory, 'perPoll'>,
): Generator<readonly Event[]> {
  for (let from = 0; from < events.length;) {
    const part = events.slice(from, from + memory.perPoll);
    from += part.length;
    yield part;
  }
}

function keyOf({ paymentId, nonce, blockHash }: SeenEvent): string {
  return `${paymentId} ${nonce ?? ''} ${blockHash}`;
}

function memoryOf(ctx: Context, chainId: number): Memory {
  let chains = memories.get(ctx.db);
  if (chains === undefined) {
    chains = new Map();
    memories.set(ctx.db, chains);
  }
  let memory = chains.get(chainId);
  if (memory === undefined) {
    memory = {
      nextLooks: new Map(),
      perPoll: MOST_PER_POLL,
      halvedAt: -Infinity,
      waitingSince: new Map(),
    };
    chains.set(chainId, memory);
  }
  return memory;
}
