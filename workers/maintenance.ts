import { checkScans } from '../domain/scan/checkScans.ts';
import { deleteExpiredIdempotencyKeys } from '../domain/idempotency/service.ts';
import { deleteOldFailures } from '../domain/outbox/service.ts';
import { auditBlocks } from '../domain/scan/auditBlocks.ts';
import { checkCompletions } from '../domain/scan/checkCompletions.ts';
import { findMissedPayments } from '../domain/scan/findMissedPayment.ts';
import { findMissedRefunds } from '../domain/scan/findMissedRefunds.ts';
import { promiseExpiries } from '../domain/payments/promiseExpiries.ts';
import { sweepOverduePayments } from '../domain/scan/sweepOverduePayments.ts';
import { checkPermits } from '../domain/relay/checkPermits.ts';
import { checkRelayers } from '../domain/relayers/checkRelayers.ts';
import { tendRelayers } from '../domain/relayers/tendRelayers.ts';
import { reconcileUsage } from '../domain/relay/reconcileUsage.ts';
import { readRelayerLoads } from '../domain/relay/readRelayerLoads.ts';
import { deleteOldWaste } from '../domain/relay/deleteOldWaste.ts';
import { recoverForgottenAttempts } from '../domain/relay/recoverForgottenAttempts.ts';
import type { ChainConfig } from '../platform/config.ts';
import type { Context } from '../platform/context.ts';

export interface MaintenanceTask {
  readonly everyMs: number;
  /**
   * It is done for each chain by itself: one that does not answer keeps those of the others from
   * nothing.
   */
  readonly isByChain?: true;
  /** @param chains absent: all that are configured */
  readonly run: (ctx: Context, chains?: readonly ChainConfig[]) => Promise<unknown>;
}

/** What is done regularly. The sweeps are for jobs and hints that were lost. */
export const MAINTENANCE_TASKS: Readonly<Record<string, MaintenanceTask>> = {
  'promise-expiries': { everyMs: 20_000, run: promiseExpiries },
  'sweep-overdue-payments': { everyMs: 5_000, run: sweepOverduePayments },
  'find-missed-payments': { everyMs: 30_000, isByChain: true, run: findMissedPayments },
  'find-missed-refunds': { everyMs: 30_000, isByChain: true, run: findMissedRefunds },
  // Looks whether it is any chain's turn; how often that is, its configuration says.
  'audit-blocks': { everyMs: 15_000, isByChain: true, run: auditBlocks },
  'recover-forgotten-attempts': { everyMs: 30_000, run: recoverForgottenAttempts },
  'check-completions': { everyMs: 3 * 60_000, run: checkCompletions },
  'check-scans': { everyMs: 3 * 60_000, isByChain: true, run: checkScans },
  'check-relayers': {
    everyMs: 10_000,
    isByChain: true,
    run: (ctx, chains) => checkRelayers(ctx, readRelayerLoads, chains),
  },
  'check-permits': { everyMs: 60_000, isByChain: true, run: checkPermits },
  'tend-relayers': { everyMs: 2_000, isByChain: true, run: tendRelayers },
  'delete-old-failures': { everyMs: 10 * 60_000, run: deleteOldFailures },
  'delete-old-waste': { everyMs: 10 * 60_000, run: deleteOldWaste },
  'reconcile-usage': { everyMs: 10 * 60_000, run: reconcileUsage },
  'delete-expired-idempotency-keys': { everyMs: 10 * 60_000, run: deleteExpiredIdempotencyKeys },
};
