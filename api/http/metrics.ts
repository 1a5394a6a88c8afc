import { Router } from 'express';
import { Counter, Gauge } from 'prom-client';

import { HALT_REASONS, reportScans } from '../../domain/chain/service.ts';
import { listRereads } from '../../domain/scan/service.ts';
import { countFailingWork, countOpenWork } from '../../domain/outbox/service.ts';
import { reportOverdueCompletions } from '../../domain/scan/checkCompletions.ts';
import { measureOverdue } from '../../domain/scan/sweepOverduePayments.ts';
import { RELAYER_ALERTS, RELAYER_STANDINGS } from '../../domain/relayers/model.ts';
import { judgePermits, reportPermits } from '../../domain/relay/checkPermits.ts';
import { countOpenAttempts } from '../../domain/relay/countOpenAttempts.ts';
import { type RelayerReport, reportRelayers } from '../../domain/relayers/reportRelayers.ts';
import { reportStoreWaste } from '../../domain/relay/reportStoreWaste.ts';
import { reportPlaces } from '../../domain/webhooks/places.ts';
import type { Context } from '../../platform/context.ts';
import { createProcessMetrics } from '../../platform/createProcessMetrics.ts';
import { QUEUE_NAMES } from '../../platform/queues.ts';
import { createFailureLimiter } from './middleware/createFailureLimiter.ts';
import { requireAdminLogin } from './middleware/requireAdminLogin.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';

const MAX_FAILURES = 10;
/** Each store is a time series of its own to whoever collects these. */
const MAX_STORES_SHOWN = 10;

export interface Metrics {
  readonly router: Router;
  /**
   * A request was answered with a problem. @param reason which of the code's cases, where it has
   * several
   */
  countProblem(code: string, reason: string | undefined): void;
}

/**
 * `GET /metrics` in Prometheus's text format, behind the operators' login: this process's own
 * figures, and what the database says of relayers, relay attempts and outstanding work. The latter
 * is the same whichever process is asked. Amounts become floats here, for charts; nothing counts
 * with them.
 */
export function createMetrics(ctx: Context, path: string): Metrics {
  const registry = createProcessMetrics(ctx);
  const gauge = (name: string, help: string, labelNames: readonly string[]) =>
    new Gauge({ name: `msqpay_${name}`, help, labelNames: [...labelNames], registers: [registry] });

  const problems = new Counter({
    name: 'msqpay_problems_total',
    help: 'Requests that this process answered with a problem, by its code and reason',
    labelNames: ['code', 'reason'],
    registers: [registry],
  });
  const relayer = ['relayer', 'chain'];
  const balance = gauge(
    'relayer_balance_wei',
    'Of the relayer’s account, at the last check',
    relayer,
  );
  const sent = gauge(
    'relayer_sent_last_minute',
    'Transactions handed over in the last minute',
    relayer,
  );
  const inFlight = gauge(
    'relayer_in_flight',
    'Transactions handed over that are in no block yet',
    relayer,
  );
  const oldest = gauge(
    'relayer_oldest_in_flight_seconds',
    'Age of the oldest of these; 0 when there are none',
    relayer,
  );
  const resting = gauge('relayer_resting', '1 while the circuit breaker leaves it alone', relayer);
  const standing = gauge('relayer_standing', '1 for the standing that it has', [
    ...relayer,
    'standing',
  ]);
  const alert = gauge('relayer_alert', '1 while its operator has to look after it', [
    ...relayer,
    'alert',
  ]);
  const attempts = gauge('relay_attempts', 'Relay attempts that have not ended', [
    'chain',
    'rail',
    'status',
  ]);
  const outbox = gauge('outbox_rows', 'Outstanding work', ['queue']);
  const wastedItems = gauge(
    'relay_wasted_requests',
    'Mined in the last 24 hours without doing anything',
    ['chain', 'store'],
  );
  const wastedWei = gauge('relay_wasted_wei', 'What these cost', ['chain', 'store']);
  const failing = gauge(
    'failing_work',
    'Subjects whose work fails again and again: jobs of a queue, scans, tasks of maintenance',
    ['queue'],
  );
  const lag = gauge(
    'outbox_overdue_seconds',
    'How long the oldest work has been due that nothing was to wait for',
    ['queue'],
  );
  const places = gauge(
    'webhook_places',
    'Webhook deliveries under way, by what their endpoints are: new, slow or quick',
    ['kind'],
  );
  const placesOfStore = gauge(
    'webhook_places_of_store',
    'The same, of the ten stores that have most',
    ['store'],
  );
  const placesLimit = gauge(
    'webhook_places_limit',
    'As many as all workers processes together may have under way',
    [],
  );
  const waitingStores = gauge(
    'webhook_waiting_stores',
    'Stores with endpoints that wait for a place of this kind',
    ['kind'],
  );
  const putOff = new Counter({
    name: 'msqpay_webhook_put_off_total',
    help: 'How often a delivery found no place: endpoint, its endpoint had enough; share, its store had its share, or others had what there is',
    labelNames: ['reason'],
    registers: [registry],
  });
  const overdue = gauge(
    'payments_overdue_seconds',
    'How long ago the payment that waits longest should have expired; 0 when none should have',
    [],
  );

  const rereads = ['chain', 'reason'];
  const ranges = gauge(
    'ranges_read_again',
    'Ranges of blocks that were read again after the scanner had passed them',
    rereads,
  );
  const foundLate = gauge(
    'payments_found_late',
    'Payments and refunds found in these that the scanner had not seen',
    rereads,
  );
  const blocksBehind = gauge(
    'scan_blocks_behind',
    'Blocks of the chain that are not scanned yet, as of the last look',
    ['chain'],
  );
  const secondsBehind = gauge('scan_seconds_behind', 'Age of the last scanned block', ['chain']);
  const chainAhead = gauge(
    'chain_clock_ahead_seconds',
    'How far the last scanned block’s time is ahead of the database’s clock',
    ['chain'],
  );
  const halted = gauge('scan_halted', '1 while the scan waits for an operator', [
    'chain',
    'reason',
  ]);

  const completionsOverdue = gauge(
    'completions_overdue',
    'Payments and refunds in final blocks that have not been completed for five minutes: the RPC URLs do not agree',
    ['chain'],
  );

  const permitUnusable = gauge(
    'permit_unusable',
    '1 while the token does not take the permits that it is configured with',
    ['chain', 'token', 'flaw'],
  );

  function showRelayer(report: RelayerReport): void {
    const labels = { relayer: report.relayerId, chain: String(report.chainId) };
    if (report.balance !== null) balance.set(labels, Number(report.balance));
    sent.set(labels, report.sentInLastMinute);
    inFlight.set(labels, report.inFlight);
    oldest.set(labels, report.oldestInFlightSeconds ?? 0);
    resting.set(labels, report.resting ? 1 : 0);
    for (const name of RELAYER_STANDINGS)
      standing.set({ ...labels, standing: name }, report.standing === name ? 1 : 0);
    for (const name of RELAYER_ALERTS)
      alert.set({ ...labels, alert: name }, report.alerts.includes(name) ? 1 : 0);
  }

  function showDeliveries(report: Awaited<ReturnType<typeof reportPlaces>> | undefined): void {
    for (const one of [places, placesOfStore, placesLimit, waitingStores, putOff]) one.reset();
    if (report === undefined) return;
    placesLimit.set(report.limit);
    for (const [kind, count] of Object.entries(report.byKind)) places.set({ kind }, count);
    for (const [kind, count] of Object.entries(report.waitingStores))
      waitingStores.set({ kind }, count);
    const most = [...report.byStore].toSorted(([, a], [, b]) => b - a).slice(0, MAX_STORES_SHOWN);
    for (const [store, count] of most) placesOfStore.set({ store }, count);
    for (const [reason, count] of Object.entries(report.putOff)) putOff.inc({ reason }, count);
  }

  const router = Router();
  router.get(
    path,
    requireAdminLogin(ctx, createFailureLimiter(ctx, 'metrics-login', MAX_FAILURES)),
    async (_req, res) => {
      const [
        scans,
        reports,
        open,
        work,
        failures,
        overdueMs,
        waste,
        reread,
        completions,
        deliveries,
      ] = await Promise.all([
        reportScans(ctx),
        reportRelayers(ctx, readRelayerLoads),
        countOpenAttempts(ctx),
        countOpenWork(ctx),
        countFailingWork(ctx),
        measureOverdue(ctx),
        reportStoreWaste(ctx),
        listRereads(ctx.db),
        reportOverdueCompletions(ctx),
        // Redis away is no reason to show nothing.
        reportPlaces(ctx).catch(() => undefined),
      ]);
      reports.forEach(showRelayer);
      for (const scan of scans) {
        const chain = String(scan.chainId);
        if (scan.blocksBehind !== null) blocksBehind.set({ chain }, scan.blocksBehind);
        if (scan.secondsBehind !== null) secondsBehind.set({ chain }, scan.secondsBehind);
        if (scan.scannedAt !== null)
          chainAhead.set(
            { chain },
            Math.max(0, (scan.scannedAt.getTime() - ctx.clock.now().getTime()) / 1000),
          );
        for (const reason of HALT_REASONS)
          halted.set({ chain, reason }, scan.haltReason === reason ? 1 : 0);
      }
      for (const { chainId, payments, refunds } of completions)
        completionsOverdue.set({ chain: String(chainId) }, payments + refunds);
      // Ends show by their absence.
      attempts.reset();
      for (const { chainId, rail, status, count } of open)
        attempts.set({ chain: String(chainId), rail, status }, count);
      outbox.reset();
      lag.reset();
      for (const { queue, count, overdueMs: lagMs } of work) {
        outbox.set({ queue }, count);
        lag.set({ queue }, lagMs / 1000);
      }
      failing.reset();
      for (const queue of QUEUE_NAMES) failing.set({ queue }, 0);
      for (const { queue, count } of failures) failing.set({ queue }, count);
      wastedItems.reset();
      wastedWei.reset();
      for (const { chainId, storeId, items, gasCost } of waste) {
        wastedItems.set({ chain: String(chainId), store: storeId }, items);
        wastedWei.set({ chain: String(chainId), store: storeId }, Number(gasCost));
      }
      overdue.set(overdueMs / 1000);
      showDeliveries(deliveries);
      permitUnusable.reset();
      for (const { chainId, token, verdict } of reportPermits(ctx)) {
        if (verdict.kind === 'unusable')
          permitUnusable.set({ chain: String(chainId), token, flaw: verdict.flaw }, 1);
      }
      // For the next time: a scrape must not wait long for a chain.
      judgePermits(ctx).catch((error: unknown) =>
        ctx.log.warn({ err: error }, 'the permits of tokens could not be tried out'),
      );
      for (const { chainId, reason, ranges: read, found } of reread) {
        ranges.set({ chain: String(chainId), reason }, read);
        foundLate.set({ chain: String(chainId), reason }, found);
      }
      res.setHeader('Content-Type', registry.contentType);
      res.end(await registry.metrics());
    },
  );
  return { router, countProblem: (code, reason = '') => problems.inc({ code, reason }) };
}
