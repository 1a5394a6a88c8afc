import type { Context } from '../../../platform/context.ts';
import { selectRows } from '../../../platform/db.ts';
import type { components } from '../../generated/openapi.ts';

type Dependency = components['schemas']['Readiness']['dependencies'][number];

const CHECK_TIMEOUT_MS = 2_000;
/** The endpoint needs no key, so it must not be a lever on what it asks: at most one round of questions a second. */
const KEPT_MS = 1_000;

const lastChecks = new WeakMap<Context['db'], { readonly at: number; readonly dependencies: Promise<Dependency[]> }>();

/** Asks everything we depend on, at once, each for at most two seconds. Never throws. */
export function checkDependencies(ctx: Context): Promise<Dependency[]> {
  const now = performance.now();
  const last = lastChecks.get(ctx.db);
  if (last !== undefined && now - last.at < KEPT_MS) return last.dependencies;
  const dependencies = checkAll(ctx);
  lastChecks.set(ctx.db, { at: now, dependencies });
  return dependencies;
}

function checkAll(ctx: Context): Promise<Dependency[]> {
  return Promise.all([
    check(ctx, 'database', 'everything', () => selectRows(ctx.db, 'SELECT 1')),
    check(ctx, 'redis', 'jobs (relaying, confirmations, webhooks) and rate limits', () => ctx.redis.ping()),
    ...[...ctx.chains].map(([chainId, chain]) =>
      check(ctx, `chain:${chainId}`, `gasless requests and confirmations on chain ${chainId}`, () => chain.getHead()),
    ),
    ...ctx.config.chains.flatMap(({ chainId, relayers }) =>
      relayers.map(({ id }) =>
        check(ctx, `relayer:${id}`, `gasless payment on chain ${chainId}, unless another relayer takes it`, async () => {
          const status = await ctx.relayers.get(id)?.getStatus();
          if (status?.paused !== false) throw new Error('the relayer is paused');
        }),
      ),
    ),
  ]);
}

async function check(ctx: Context, name: string, degrades: string, ask: () => Promise<unknown>): Promise<Dependency> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([ask(), timeout]);
    return { name, status: 'up', degrades };
  } catch (error) {
    ctx.log.debug({ err: error, dependency: name }, 'a dependency is down');
    return { name, status: 'down', degrades };
  } finally {
    clearTimeout(timer);
  }
}
