import { listScansBehind } from '../../../domain/scan/checkScans.ts';
import { isClockBehindChain, reportScans, type ScanReport } from '../../../domain/chain/service.ts';
import {
  judgePermits,
  reportPermits,
  type PermitReport,
} from '../../../domain/relay/checkPermits.ts';
import { reportRelayers, type RelayerReport } from '../../../domain/relayers/reportRelayers.ts';
import type { Context } from '../../../platform/context.ts';
import { findClockFault } from '../../../platform/findClockFault.ts';
import { tryDatabaseWrite, tryRedisWrite } from '../../../platform/tryWrites.ts';
import { answerWithin } from '../../../shared/answerWithin.ts';
import { addMs } from '../../../shared/clock.ts';
import { createRounds } from '../../../shared/createRounds.ts';
import type { components } from '../../generated/openapi.ts';
import { readRelayerLoads } from '../../../domain/relay/readRelayerLoads.ts';

type Dependency = components['schemas']['Readiness']['dependencies'][number];

const CHECK_TIMEOUT_MS = 2_000;
/**
 * The endpoint needs no key, so it must not be a lever on what it asks: at most one round of
 * questions a second.
 */
const KEPT_MS = 1_000;

const rounds = new WeakMap<Context['db'], ReturnType<typeof createRounds<Dependency[]>>>();

/** Tries everything we depend on, at once, each for at most two seconds. Never throws. */
export function checkDependencies(ctx: Context): Promise<Dependency[]> {
  const inRounds = rounds.get(ctx.db) ?? createRounds<Dependency[]>(KEPT_MS);
  rounds.set(ctx.db, inRounds);
  return inRounds(() => checkAll(ctx));
}

function checkAll(ctx: Context): Promise<Dependency[]> {
  // As the workers found them: only they have the keys to ask a relayer.
  const reports = reportRelayers(ctx, readRelayerLoads);
  const scans = reportScans(ctx);
  // Each check below reports its failure; with no relayers there is nobody to.
  // Of a chain that is away nothing is known, which that chain's own entry tells.
  const permits = judgePermitsInTime(ctx);
  reports.catch(() => undefined);
  scans.catch(() => undefined);
  return Promise.all([
    check(ctx, 'database', 'everything', () => tryDatabaseWrite(ctx)),
    check(ctx, 'clock', 'dates: when payments expire and when work is due', async () =>
      // When they cannot be read, it is the database that is down.
      assertClocksAgree(ctx, await scans.catch(() => [])),
    ),
    check(ctx, 'redis', 'jobs (relaying, confirmations, webhooks) and rate limits', () =>
      tryRedisWrite(ctx),
    ),
    ...[...ctx.chains].map(([chainId, chain]) =>
      check(ctx, `chain:${chainId}`, `gasless requests and confirmations on chain ${chainId}`, () =>
        chain.getHead(),
      ),
    ),
    ...ctx.config.chains.map(({ chainId }) =>
      check(
        ctx,
        `scan:${chainId}`,
        `payments and refunds on chain ${chainId}: none is found, completed or withdrawn`,
        async () => {
          const own = (await scans).filter((scan) => scan.chainId === chainId);
          const haltReason = own[0]?.haltReason ?? null;
          if (haltReason !== null) throw new Error(`the scan waits for an operator: ${haltReason}`);
          const [behind] = await listScansBehind(ctx, own);
          if (behind !== undefined)
            throw new Error(`the scan is ${behind.secondsBehind} seconds behind`);
        },
      ),
    ),
    ...ctx.config.chains.map(({ chainId }) =>
      check(
        ctx,
        `permits:${chainId}`,
        `gasless payment on chain ${chainId} without an approval first, in some tokens`,
        async () => {
          const unusable = (await permits).filter(
            (one) => one.chainId === chainId && one.verdict.kind === 'unusable',
          );
          if (unusable.length > 0)
            throw new Error(
              `the permit does not work as configured: ${unusable.map(({ symbol }) => symbol).join(', ')}`,
            );
        },
      ),
    ),
    ...ctx.config.chains.flatMap(({ chainId, relayers }) =>
      relayers.map(({ id }) =>
        check(
          ctx,
          `relayer:${id}`,
          `gasless payment on chain ${chainId}, unless another relayer takes it`,
          async () => {
            const report = (await reports).find(({ relayerId }) => relayerId === id);
            if (report === undefined || !isRelaying(report, ctx.clock.now()))
              throw new Error(`the relayer is ${report?.standing ?? 'unknown'}`);
          },
        ),
      ),
    ),
  ]);
}

/** What is known already when a chain keeps silent. */
async function judgePermitsInTime(ctx: Context): Promise<PermitReport[]> {
  let timer: NodeJS.Timeout | undefined;
  const known = new Promise<PermitReport[]>((resolve) => {
    timer = setTimeout(() => resolve(reportPermits(ctx)), CHECK_TIMEOUT_MS / 2);
  });
  return Promise.race([judgePermits(ctx), known]).finally(() => clearTimeout(timer));
}

function assertClocksAgree(ctx: Context, scans: readonly ScanReport[]): void {
  const fault = findClockFault(ctx);
  if (fault !== undefined) throw new Error(fault);
  const chain = scans.find(({ chainId, scannedAt }) => isClockBehindChain(ctx, chainId, scannedAt));
  if (chain !== undefined)
    throw new Error(`the database’s clock is behind that of chain ${chain.chainId}`);
}

/**
 * The workers check every ten seconds: after this long without a check there are none, or none of
 * them gets through to the database.
 */
const CHECKED_WITHIN_MS = 60_000;

function isRelaying({ standing, checkedAt }: RelayerReport, now: Date): boolean {
  return standing === 'ready' && checkedAt !== null && now < addMs(checkedAt, CHECKED_WITHIN_MS);
}

async function check(
  ctx: Context,
  name: string,
  degrades: string,
  ask: () => Promise<unknown>,
): Promise<Dependency> {
  try {
    await answerWithin(CHECK_TIMEOUT_MS, ask());
    return { name, status: 'up', degrades };
  } catch (error) {
    ctx.log.debug({ err: error, dependency: name }, 'a dependency is down');
    return { name, status: 'down', degrades };
  }
}
