import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { tryAll } from '../../shared/tryAll.ts';
import { askChain } from '../chain/service.ts';
import { returnAuditTurn, takeAuditTurn } from './rereadStore.ts';
import { DONE, throwFailure } from '../outbox/model.ts';
import { findScannedUntil, rescanBlocks } from './rescanBlocks.ts';

/**
 * Work of maintenance: every `auditIntervalSeconds` of its configuration, each chain has one range
 * of the blocks that the scanner has passed read again, chosen at random. What a node kept back for
 * longer than the scanner's overlap is found by this, and by nothing else where nobody waits for
 * it.
 * @throws the first failure, after every chain had its turn
 */
export async function auditBlocks(
  ctx: Context,
  chains: readonly ChainConfig[] = ctx.config.chains,
): Promise<void> {
  await tryAll(chains, (chain) => auditChain(ctx, chain), {
    onFailure: (err, { chainId }) =>
      ctx.log.warn({ err, chainId }, 'a chain was not audited, the next run tries again'),
  });
}

/**
 * A turn that came to nothing is the next run's: at the pace of audits, failures would be few and
 * far between, and nobody would see that there is no other outcome.
 */
async function auditChain(ctx: Context, chain: ChainConfig): Promise<void> {
  const { chainId, auditIntervalSeconds, startBlock, maxBlockRange } = chain;
  if (auditIntervalSeconds === 0) return;
  const turn = { chainId, intervalMs: auditIntervalSeconds * 1000, now: ctx.clock.now() };
  if (!(await takeAuditTurn(ctx.db, turn))) return;
  const last = await findScannedUntil(ctx, chainId);
  if (last === undefined) return;
  const range = chooseRange({
    first: BigInt(startBlock),
    last,
    size: maxBlockRange,
    random: ctx.random(),
  });
  if (range === undefined) return;
  let isDone = false;
  try {
    const result = await askChain(ctx, chainId, async () => {
      await rescanBlocks(ctx, { chainId, ...range, reason: 'audit' });
      return DONE;
    });
    throwFailure(result);
    isDone = result.kind === 'done';
  } finally {
    if (!isDone) await returnAuditTurn(ctx.db, turn);
  }
}

/**
 * A range that ends at a random age, every order of magnitude of which is as likely as the next: of
 * the last thousand blocks, where most is still waited for, as often as of all the years before.
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
