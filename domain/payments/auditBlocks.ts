import type { Context } from '../../platform/context.ts';
import { askChain, takeAuditTurn } from '../chain/service.ts';
import { DONE } from '../outbox/model.ts';
import { findScannedUntil, rescanBlocks } from './rescanBlocks.ts';

/**
 * Work of maintenance: every `auditIntervalSeconds` of its configuration, each chain has one range of the blocks that the scanner has passed read again, chosen at
 * random. What a node kept back for longer than the scanner's overlap is found by this, and by nothing else where nobody waits for it.
 */
export async function auditBlocks(ctx: Context): Promise<void> {
  for (const { chainId, auditIntervalSeconds, startBlock, maxBlockRange } of ctx.config.chains) {
    if (auditIntervalSeconds === 0) continue;
    const turn = { chainId, intervalMs: auditIntervalSeconds * 1000, now: ctx.clock.now() };
    if (!(await takeAuditTurn(ctx.db, turn))) continue;
    const last = await findScannedUntil(ctx, chainId);
    if (last === undefined) continue;
    const range = chooseRange({ first: BigInt(startBlock), last, size: maxBlockRange, random: ctx.random() });
    if (range === undefined) continue;
    await askChain(ctx, chainId, async () => {
      await rescanBlocks(ctx, { chainId, ...range, reason: 'audit' });
      return DONE;
    });
  }
}

/**
 * A range that ends at a random age, every order of magnitude of which is as likely as the next: of the last thousand blocks, where most is still waited for,
 * as often as of all the years before.
 * @param input.random 0 ≤ random < 1
 */
export function chooseRange(input: {
  readonly first: bigint;
  readonly last: bigint;
  readonly size: number;
  readonly random: number;
}): { readonly fromBlock: bigint; readonly toBlock: bigint } | undefined {
  const { first, last, size, random } = input;
  if (last < first) return undefined;
  const age = BigInt(Math.floor(Number(last - first + 1n) ** random)) - 1n;
  const toBlock = last - age;
  const fromBlock = toBlock - BigInt(size) + 1n;
  return { fromBlock: fromBlock < first ? first : fromBlock, toBlock };
}
