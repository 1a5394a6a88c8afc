import type { ChaosReport } from './judging/judge.ts';

/** For people, and for docs/chaos.md. */
export function formatReport(report: ChaosReport): string {
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `    ${String(count).padStart(5)}  ${name}`)
      .join('\n');
  const { webhooks, refunds } = report;
  return [
    `seed ${report.seed}`,
    `  payments, by chain, way of paying and payer\n${list(report.payments)}`,
    `  payments, by status in the end\n${list(report.statuses)}`,
    `  payments, by transfers on the chain\n${list(report.transfersPerPayment)}`,
    `  payments, by history\n${list(report.histories)}`,
    `  relay attempts\n${list(report.attempts)}`,
    `  payments of the hostile store, by status in the end\n${list(report.hostileStatuses)}`,
    `  transactions handed over, by relayer\n${list(report.relayTransactions)}`,
    `  requests in each: ${report.averageBatch.toFixed(1)}; attempts sent more than once: ${report.attemptsSentAgain}`,
    `  refunds: ${refunds.made} made, ${refunds.wanted} wanted`,
    `  webhooks: ${webhooks.received} received, of ${webhooks.distinct} events`,
    ...Object.entries(report.scans).map(
      ([name, { stoodSeconds, movedBack }]) =>
        `  the scan of the ${name} chain stood still for ${stoodSeconds} s at most, and was moved back ${movedBack} times`,
    ),
    `  answers of lying nodes\n${list(report.lies)}`,
    `  what went wrong meanwhile\n${list(report.misfortunes)}`,
    `  ended ${report.secondsToEnd} s after everything was repaired`,
    report.breaches.length === 0
      ? '  no promise was broken: nothing paid twice, nothing lost, nothing stuck, nothing told that is not so'
      : `  BROKEN PROMISES (${report.breaches.length})\n${report.breaches.map((breach) => `    ${breach}`).join('\n')}`,
  ].join('\n');
}
