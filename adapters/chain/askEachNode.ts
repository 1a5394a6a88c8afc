import type { RpcClients, RpcQuestions } from './createRpcClients.ts';

/**
 * Whoever has not answered by then is not waited for: somebody waits for the outcome, and the
 * others have a say.
 */
const PATIENCE_MS = 2_000;
/** Where many ask one after the other, a URL that was too late is waited for this long … */
const LITTLE_PATIENCE_MS = 250;
/**
 * … for so long, or until it is in time again. Then it has the full time once more, however often
 * it was too late for the little: it may need more than that.
 */
const IMPATIENT_FOR_MS = 15_000;

/** Of URLs that were too late: until when they are waited for less long, by `performance.now()`. */
const lateOnes = new WeakMap<RpcQuestions, number>();

/**
 * Asks each RPC URL by itself, for a "no" that one of them has said and that must not rest on its
 * word alone: it may lag, lie, or be broken. Where nobody waits for the outcome, those that are
 * late are heard too (createHearings.ts).
 * @returns what those say that answer soon; none of them perhaps
 */
export async function askEachNode<T>(
  { eachNode }: Pick<RpcClients, 'eachNode'>,
  ask: (node: RpcQuestions) => Promise<T>,
): Promise<T[]> {
  const heard = await Promise.all(eachNode.map((node) => hear(node, ask)));
  return heard.flat();
}

/** @returns none: it failed, or was too late */
async function hear<T>(
  node: RpcQuestions,
  ask: (node: RpcQuestions) => Promise<T>,
): Promise<readonly T[]> {
  const wasLate = performance.now() < (lateOnes.get(node) ?? 0);
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, wasLate ? LITTLE_PATIENCE_MS : PATIENCE_MS, undefined);
  });
  const answer = ask(node).then(
    (value) => [value],
    () => [],
  );
  const inTime = await Promise.race([answer, patience]);
  clearTimeout(timer);
  if (inTime === undefined && !wasLate) lateOnes.set(node, performance.now() + IMPATIENT_FOR_MS);
  if (inTime !== undefined) lateOnes.delete(node);
  return inTime ?? [];
}
