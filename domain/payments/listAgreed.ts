import type { Context } from '../../platform/context.ts';
import { sideBySide } from '../../shared/sideBySide.ts';
import type { ChainPort, EventPoll, SeenEvent } from '../chain/ports.ts';

/** In one question to each URL, and so many of these at once. */
const PER_POLL = 100;
const POLLS_AT_ONCE = 3;
/** How soon it is asked again about an event that some URLs show as final and others do not have: URLs take seconds to agree, or an operator. */
const DISPUTED_MS = 15_000;

/** By process and chain: the disputed events, and when they are asked about again. */
const disputes = new WeakMap<Context['db'], Map<number, Map<string, number>>>();

/** Without those that are disputed and were asked about a moment ago. */
export function withoutDisputed<Event extends SeenEvent>(ctx: Context, chainId: number, events: readonly Event[]): Event[] {
  const nextLooks = disputesOf(ctx, chainId);
  const now = ctx.clock.now().getTime();
  return events.filter((event) => {
    const waitMs = (nextLooks.get(keyOf(event)) ?? 0) - now;
    // More than that was left by a clock that had jumped ahead.
    return waitMs <= 0 || waitMs > DISPUTED_MS;
  });
}

/**
 * Money counts as received when more of the RPC URLs show its event as final than do not: one alone may be on a branch of its own, may say that its head is higher
 * than it is, or may make events up. A URL that does not answer, or is stuck, is not waited for; one that has not come as far yet is.
 * @param events that one URL shows as final
 * @returns those that count; what is disputed is said in the log, and waits
 */
export async function listAgreed<Event extends SeenEvent>(ctx: Context, chain: ChainPort, events: readonly Event[]): Promise<Event[]> {
  const polls = await pollAll(chain, events);
  noteDisputes(ctx, chain.chainId, polls);
  return events.filter((event) => {
    const poll = polls.get(event);
    return poll !== undefined && poll.final > poll.early + poll.absent;
  });
}

function noteDisputes(ctx: Context, chainId: number, polls: ReadonlyMap<SeenEvent, EventPoll>): void {
  const nextLooks = disputesOf(ctx, chainId);
  const now = ctx.clock.now().getTime();
  for (const [key, at] of nextLooks) if (at <= now) nextLooks.delete(key);
  const disputed = [...polls].filter(([, { final, early, absent }]) => absent > 0 && final <= early + absent);
  for (const [event] of disputed) nextLooks.set(keyOf(event), now + DISPUTED_MS);
  const [first] = disputed;
  if (first === undefined) return;
  const [{ paymentId, nonce }, poll] = first;
  const facts = { chainId, count: disputed.length, paymentId, nonce: nonce?.toString(), poll };
  ctx.log.warn(facts, 'RPC URLs do not agree whether events are final: what they tell of is not completed for now');
}

/** Those of the events that one URL shows, and that no fewer of the others do not have. */
export async function listContradicted<Event extends SeenEvent>(chain: ChainPort, events: readonly Event[]): Promise<Event[]> {
  const polls = await pollAll(chain, events);
  return events.filter((event) => {
    const poll = polls.get(event);
    return poll !== undefined && poll.absent > 0 && poll.absent >= poll.final;
  });
}

async function pollAll<Event extends SeenEvent>(chain: ChainPort, events: readonly Event[]): Promise<ReadonlyMap<Event, EventPoll>> {
  const polls = new Map<Event, EventPoll>();
  const parts = Array.from({ length: Math.ceil(events.length / PER_POLL) }, (_, part) =>
    events.slice(part * PER_POLL, (part + 1) * PER_POLL),
  );
  await sideBySide(parts, POLLS_AT_ONCE, async (part) => {
    const heard = await chain.pollEvents(part);
    part.forEach((event, index) => {
      const poll = heard[index];
      if (poll !== undefined) polls.set(event, poll);
    });
  });
  return polls;
}

function keyOf({ paymentId, nonce, blockHash }: SeenEvent): string {
  return `${paymentId} ${nonce ?? ''} ${blockHash}`;
}

function disputesOf(ctx: Context, chainId: number): Map<string, number> {
  let chains = disputes.get(ctx.db);
  if (chains === undefined) {
    chains = new Map();
    disputes.set(ctx.db, chains);
  }
  let nextLooks = chains.get(chainId);
  if (nextLooks === undefined) {
    nextLooks = new Map();
    chains.set(chainId, nextLooks);
  }
  return nextLooks;
}
