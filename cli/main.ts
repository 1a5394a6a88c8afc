import { parseArgs } from 'node:util';

import { listFailingWork } from '../domain/outbox/service.ts';
import { findScannedUntil, rescanBlocks } from '../domain/scan/rescanBlocks.ts';
import { scanAnew } from '../domain/scan/beginAnew.ts';
import { allowWithdrawals } from '../domain/scan/allowWithdrawals.ts';
import { liftBackOff } from '../domain/relay/liftBackOff.ts';
import {
  createStore,
  issueApiKey,
  registerMerchant,
  revokeApiKey,
  setRelayPriority,
  setRelayWeight,
} from '../domain/stores/service.ts';
import { allowSlowConnections } from '../platform/allowSlowConnections.ts';
import { loadConfig } from '../platform/config.ts';
import { ConfigError } from '../platform/ConfigError.ts';
import type { Context } from '../platform/context.ts';
import { EVENT_SINKS } from '../domain/modules.ts';
import { createContext } from '../platform/createContext.ts';
import { migrate } from '../db/migrate.ts';
import { errnoOf } from '../platform/errnoOf.ts';
import { isDatabaseAway } from '../platform/isDatabaseAway.ts';
import { AppError } from '../shared/errors.ts';
import {
  parseAddress,
  parseChainId,
  parseCount,
  parseHolder,
  parseKeyId,
  parsePriority,
  parseRole,
  parseStoreId,
  parseWeight,
  UsageError,
} from './parseOptions.ts';

/** The rest is like these. */
const FAILING_WORK_SHOWN = 200;

const USAGE = `Usage: npm run cli -- <command> [options], with the server's environment

  migrate                                          bring the database's schema up to date; may be interrupted and run again
  create-store --name N --payout 0x… [--merchant 0x… …]
                                                   a store; payments go to its payout address or a registered merchant
  register-merchant --store st_… --address 0x…     one more address that the store's payments may go to
  issue-key --store st_… [--role store] [--live]   an API key, shown once; the role support may only read. test or live is a label for
                                                   people: which chains there are decides what is paid with
  revoke-key --key key_…                           takes effect within seconds
  set-store-weight --store st_… --weight W         the store's share of the relayers when others wait too, from 1 to 10000; a new store
                                                   has 100. For what it hands in from now on
  set-store-priority --store st_… --priority P     low, normal or high: a quarter, one or four times the turns that its weight gives it.
                                                   For what it hands in from now on
  lift-back-off --chain N --holder H               forgets what a payer or merchant (address), a payment, refund or store (id) has
                                                   wasted on this chain: relaying is offered to it again at once
  failing-work                                     what fails again and again, most often first: queue, subject, how often, since when, and the
                                                   error's code or name
  rescan --chain N --from BLOCK --to BLOCK         reads blocks again that were scanned, for payments and refunds that were missed; takes nothing back
  allow-withdrawals --chain N --count C            a scan that waits for an operator (msqpay_scan_halted) may withdraw up to C payments and
                                                   refunds that the chain does not show any more
  scan-anew --chain N                              scans the chain from its start block again, and withdraws what it does not show, within
                                                   maxWithdrawals or what allow-withdrawals says
`;

const { positionals, values } = readArguments();

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        name: { type: 'string' },
        payout: { type: 'string' },
        merchant: { type: 'string', multiple: true },
        store: { type: 'string' },
        address: { type: 'string' },
        role: { type: 'string', default: 'store' },
        live: { type: 'boolean', default: false },
        key: { type: 'string' },
        chain: { type: 'string' },
        holder: { type: 'string' },
        from: { type: 'string' },
        to: { type: 'string' },
        count: { type: 'string' },
        weight: { type: 'string' },
        priority: { type: 'string' },
      },
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

function need(
  name:
    | 'name'
    | 'payout'
    | 'store'
    | 'address'
    | 'key'
    | 'chain'
    | 'holder'
    | 'from'
    | 'to'
    | 'count'
    | 'weight'
    | 'priority',
): string {
  const value = values[name];
  if (value === undefined) throw new UsageError(`--${name} is missing`);
  return value;
}

function needBlock(name: 'from' | 'to'): bigint {
  const text = need(name);
  if (!/^[0-9]{1,18}$/.test(text)) throw new UsageError(`--${name} must be a block's number`);
  return BigInt(text);
}

/** Progress goes to standard error, for people. */
async function rescan(ctx: Context): Promise<unknown> {
  const [chainId, fromBlock, toBlock] = [
    parseChainId(need('chain')),
    needBlock('from'),
    needBlock('to'),
  ];
  if (!ctx.chains.has(chainId))
    throw new UsageError(`--chain ${chainId} is not in the chains file`);
  const scannedUntil = await findScannedUntil(ctx, chainId);
  if (fromBlock > toBlock || scannedUntil === undefined || toBlock > scannedUntil) {
    throw new UsageError(
      `--from and --to must be a range of blocks that were scanned: up to ${scannedUntil ?? 'none yet'}`,
    );
  }
  const found = await rescanBlocks(
    ctx,
    { chainId, fromBlock, toBlock, reason: 'rescan' },
    (part) => {
      const { paymentIds, refundIds } = part.found;
      console.error(
        `blocks ${part.fromBlock} to ${part.toBlock}: ${paymentIds.length + refundIds.length} found`,
      );
    },
  );
  return {
    chainId,
    fromBlock: Number(fromBlock),
    toBlock: Number(toBlock),
    foundPaymentIds: found.paymentIds,
    foundRefundIds: found.refundIds,
  };
}

/** Each prints its result as one JSON object, for scripts. */
const COMMANDS: Readonly<Record<string, (ctx: Context) => Promise<unknown>>> = {
  migrate: async (ctx) => {
    await migrate(ctx.db, (message) => console.error(message));
    return { migrated: true };
  },
  'create-store': (ctx) =>
    createStore(ctx, {
      name: need('name'),
      payoutAddress: parseAddress(need('payout')),
      merchants: (values.merchant ?? []).map(parseAddress),
    }),
  'register-merchant': async (ctx) => {
    await registerMerchant(ctx, {
      storeId: parseStoreId(need('store')),
      address: parseAddress(need('address')),
    });
    return { registered: true };
  },
  'issue-key': (ctx) =>
    issueApiKey(ctx, {
      storeId: parseStoreId(need('store')),
      role: parseRole(values.role),
      environment: values.live ? 'live' : 'test',
    }),
  'allow-withdrawals': (ctx) =>
    allowWithdrawals(ctx, {
      chainId: parseChainId(need('chain')),
      count: parseCount(need('count')),
    }),
  'scan-anew': (ctx) => scanAnew(ctx, { chainId: parseChainId(need('chain')) }),
  'failing-work': async (ctx) => ({ work: await listFailingWork(ctx, FAILING_WORK_SHOWN) }),
  'set-store-weight': async (ctx) => {
    const weight = parseWeight(need('weight'));
    await setRelayWeight(ctx, { storeId: parseStoreId(need('store')), weight });
    return { weight };
  },
  'set-store-priority': async (ctx) => {
    const priority = parsePriority(need('priority'));
    await setRelayPriority(ctx, { storeId: parseStoreId(need('store')), priority });
    return { priority };
  },
  'revoke-key': async (ctx) => {
    await revokeApiKey(ctx, { apiKeyId: parseKeyId(need('key')) });
    return { revoked: true };
  },
  'lift-back-off': async (ctx) => ({
    forgotten: await liftBackOff(ctx, {
      chainId: parseChainId(need('chain')),
      holder: parseHolder(need('holder')),
    }),
  }),
  rescan,
};

async function main(): Promise<number> {
  allowSlowConnections();
  const command = COMMANDS[positionals[0] ?? ''];
  if (command === undefined || positionals.length !== 1) {
    console.error(USAGE);
    return 2;
  }
  const { ctx, close } = await createContext(loadConfig(process.env), {
    name: 'cli',
    eventSinks: EVENT_SINKS,
  });
  try {
    await ctx.whenClockCompared();
    console.log(JSON.stringify(await command(ctx), null, 2));
    return 0;
  } finally {
    await close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  const isOurs =
    error instanceof UsageError || error instanceof ConfigError || error instanceof AppError;
  // Of the database: it is not there, no such database, no rights. Its message names what is
  // missing, and holds no secret.
  if (
    !(error instanceof Error) ||
    !(isOurs || errnoOf(error) !== undefined || isDatabaseAway(error))
  )
    throw error;
  console.error(
    errnoOf(error) === undefined && isDatabaseAway(error)
      ? `The database does not answer: ${error.message}`
      : error.message,
  );
  process.exitCode = 2;
}
