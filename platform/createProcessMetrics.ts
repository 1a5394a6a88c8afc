import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

import type { Context } from './context.ts';

/**
 * What a process knows of itself and nobody else does, for whoever collects metrics of it: Node's
 * own figures, its machine's clock, and what the RPC URLs have answered to it. Every process that
 * has a port has them at `/metrics`, under the same names.
 */
export function createProcessMetrics(ctx: Context): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'msqpay_' });

  /** @param show sets the gauge, each time that somebody reads it */
  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    show: (own: Gauge) => void,
  ) =>
    new Gauge({
      name: `msqpay_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        show(this);
      },
    });
  const eachUrl = (valuesOf: (chainId: number) => (index: number) => number) => (own: Gauge) => {
    for (const { chainId, rpcUrls } of ctx.config.chains) {
      const valueOf = valuesOf(chainId);
      for (const index of rpcUrls.keys())
        own.set({ chain: String(chainId), rpc_url: String(index) }, valueOf(index));
    }
  };
  const url = ['chain', 'rpc_url'];

  gauge(
    'clock_ahead_seconds',
    'How far this process’s clock is ahead of the database’s; negative when it is behind',
    [],
    (own) => {
      const aheadMs = ctx.readClockAheadMs();
      if (aheadMs !== undefined) own.set(aheadMs / 1000);
    },
  );
  gauge(
    'rpc_url_other_chain',
    '1 while the RPC URL at this place in the configuration answers for another chain',
    url,
    eachUrl((chainId) => {
      const wrong = ctx.chains.get(chainId)?.listOtherChainUrls() ?? [];
      return (index) => (wrong.includes(index) ? 1 : 0);
    }),
  );
  gauge(
    'rpc_url_away',
    '1 while the RPC URL at this place in the configuration has failed for a minute where something was about to end or to count as received: it has no say',
    url,
    eachUrl((chainId) => {
      const away = ctx.chains.get(chainId)?.listAwayUrls() ?? [];
      return (index) => (away.includes(index) ? 1 : 0);
    }),
  );
  gauge(
    'rpc_bad_answers',
    'Answers of the RPC URL to this process that could not be read, since it began',
    url,
    eachUrl((chainId) => {
      const bad = ctx.chains.get(chainId)?.countBadAnswers() ?? [];
      return (index) => bad[index] ?? 0;
    }),
  );
  return registry;
}
