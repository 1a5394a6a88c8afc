import { RPC_TIMEOUT_MS, type RpcClients, type RpcQuestions } from './createRpcClients.ts';

/** One that failed by its silence is asked on, and not waited for, until it answers; or for so long after its last failure. */
const SILENT_FOR_MS = 15_000;

interface Silence {
  /** By `performance.now()`. */
  readonly until: number;
  /** One question to it at a time. */
  isAsked: boolean;
}

const silences = new WeakMap<RpcQuestions, Silence>();

/**
 * Asks each RPC URL by itself, where something is about to end or to count as received: that
 * is worth some seconds. One that is slow is waited for: were it left out, the
 * others would decide without it, and perhaps one that lies by itself. Each of its requests has a
 * time limit, so it ends: with an answer or as a failure. Only one that failed is left out.
 *
 * Where a customer waits, see askEachNode.ts and askUntil.ts. Only a merchant waits for it who asks about a refund after one
 * that failed: both could be made.
 * @returns what those say that have not failed; none of them perhaps
 */
export async function hearEachNode<T>({ eachNode }: Pick<RpcClients, 'eachNode'>, ask: (node: RpcQuestions) => Promise<T>): Promise<T[]> {
  const heard = await Promise.all(eachNode.map((node) => hear(node, ask)));
  return heard.flat();
}

/** @returns none: it failed, now or a moment ago */
async function hear<T>(node: RpcQuestions, ask: (node: RpcQuestions) => Promise<T>): Promise<readonly T[]> {
  const silence = silences.get(node);
  if (silence === undefined || performance.now() >= silence.until) return askOut(node, ask);
  if (!silence.isAsked) {
    silence.isAsked = true;
    void askOut(node, ask);
  }
  return [];
}

async function askOut<T>(node: RpcQuestions, ask: (node: RpcQuestions) => Promise<T>): Promise<readonly T[]> {
  const startedAt = performance.now();
  try {
    const value = await ask(node);
    silences.delete(node);
    return [value];
  } catch {
    // Why, createRpcClients.ts has noted. One that fails soon costs nobody time.
    const now = performance.now();
    if (now - startedAt >= RPC_TIMEOUT_MS) silences.set(node, { until: now + SILENT_FOR_MS, isAsked: false });
    else silences.delete(node);
    return [];
  }
}
