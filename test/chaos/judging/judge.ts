import { selectRows } from '../../../platform/db.ts';
import type { Harness } from '../../support/harness.ts';
import type { StoreServer } from '../../support/storeServer.ts';
import type { PromiseWatch } from '../../support/watchPromises.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';
import type { HostilePayment } from '../people/hostileStore.ts';
import { mustBePaid, type PlannedPayment } from '../people/planPayments.ts';
import type { Merchant, RefundWish } from '../people/refundPayments.ts';
import { judgeBooks } from './judgeBooks.ts';
import { judgeEvents } from './judgeEvents.ts';
import { judgeCompletions } from './judgeCompletions.ts';
import { judgePayments, judgeRow, listPaymentRows, readHistories } from './judgePayments.ts';
import { judgeRefunds } from './judgeRefunds.ts';
import { judgeWebhooks } from './judgeWebhooks.ts';
import { readTruth, type Truth } from './readTruth.ts';
import { waitForEnd } from './waitForEnd.ts';
import type { CursorWatch, ScanFigures } from './watchCursors.ts';

type Counts = Readonly<Record<string, number>>;

/** What is true in the end. `breaches` is empty, or the server has broken a promise. */
export interface ChaosReport {
  readonly seed: number;
  /** By chain, way of paying, and who pays. */
  readonly payments: Counts;
  readonly statuses: Counts;
  /** Transfers that the gateways made, by how many a payment has. */
  readonly transfersPerPayment: Counts;
  /** Histories, by how many payments have them. */
  readonly histories: Counts;
  readonly attempts: Counts;
  /** Of the hostile store. */
  readonly hostileStatuses: Counts;
  /** Handed over, by relayer. */
  readonly relayTransactions: Counts;
  /** Payments for each transaction that was handed over. */
  readonly averageBatch: number;
  readonly attemptsSentAgain: number;
  readonly refunds: { readonly wanted: number; readonly made: number };
  /** By chain. */
  readonly scans: Readonly<Record<string, ScanFigures>>;
  readonly webhooks: { readonly received: number; readonly distinct: number };
  /** Answers of lying nodes, by lie. */
  readonly lies: Counts;
  readonly misfortunes: Counts;
  readonly secondsToEnd: number;
  readonly breaches: readonly string[];
}

export interface JudgeInput {
  readonly harness: Harness;
  readonly chains: readonly ChaosChain[];
  readonly storeId: string;
  readonly merchant: Merchant;
  readonly storeServer: StoreServer;
  readonly promises: PromiseWatch;
  readonly cursors: CursorWatch;
  readonly payments: readonly PlannedPayment[];
  readonly hostile: { readonly storeId: string; readonly payments: readonly HostilePayment[] };
  readonly wishes: readonly RefundWish[];
  /** Of each payment. */
  readonly amount: bigint;
  readonly seed: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly settleMs: number;
}

export async function judge(input: JudgeInput): Promise<ChaosReport> {
  const startedAt = Date.now();
  const stuck = await waitForEnd(input);
  const secondsToEnd = Math.round((Date.now() - startedAt) / 1000);
  const { harness, chains, storeId, payments, storeServer, hostile, wishes, amount } = input;
  const { db } = harness.ctx;
  const truth = await readTruth(chains);
  const rows = await listPaymentRows(harness, storeId);
  const histories = await readHistories(harness, storeId);
  const refunds = await judgeRefunds({ harness, truth, wishes, amount });
  const hostileRows = await listPaymentRows(harness, hostile.storeId);
  const attempts = await selectRows<{
    payment_id: string;
    refund_id: string | null;
    status: string;
    sends: number;
    error_code: string | null;
  }>(
    db,
    'SELECT payment_id, refund_id, status, sends, error_code FROM relay_attempts WHERE store_id = ?',
    [storeId],
  );
  const breaches = [
    ...stuck.map((what) => `stuck: ${what}`),
    ...(await input.promises.stop()),
    ...judgePayments({ payments, rows, histories, truth }),
    ...payments.filter(mustBePaid).flatMap(({ paymentId, way }) => {
      const own = attempts.filter(
        (attempt) => attempt.payment_id === paymentId && attempt.refund_id === null,
      ).length;
      return own === (way === 'direct' ? 0 : 1)
        ? []
        : [`${way} payment ${paymentId} has ${own} relay attempts`];
    }),
    ...hostile.payments.flatMap(({ paymentId }) =>
      judgeRow({ id: paymentId, row: hostileRows.find(({ id }) => id === paymentId), truth }),
    ),
    ...(await judgeCompletions(harness, truth)),
    ...refunds.breaches,
    ...(await judgeMoney(input, truth, refunds.refunded)),
    ...(await judgeWebhooks(harness, storeId, storeServer)),
    ...(await judgeEvents(db, storeServer)),
    ...(await judgeBooks({ db, chains, payments })),
  ];

  const sent = await selectRows<{ relayer_id: string; items: string }>(
    db,
    'SELECT relayer_id, items FROM relay_transactions',
    [],
  );
  return {
    seed: input.seed,
    payments: tally(
      payments.map(
        ({ chain, way, character }) =>
          `${chain.name} chain, ${way}${character === 'honest' ? '' : `, ${character}`}`,
      ),
    ),
    statuses: tally(rows.map(({ status }) => status)),
    transfersPerPayment: tally(
      payments.map(({ paymentId }) => String(truth.transfers.get(paymentId)?.length ?? 0)),
    ),
    histories: tally([...histories.values()]),
    attempts: tally(
      attempts.map(({ status, error_code }) =>
        error_code === null ? status : `${status} (${error_code})`,
      ),
    ),
    hostileStatuses: tally(hostileRows.map(({ status }) => status)),
    relayTransactions: tally(sent.map(({ relayer_id }) => relayer_id)),
    averageBatch:
      sent.reduce((sum, { items }) => sum + Number(items), 0) / Math.max(1, sent.length),
    attemptsSentAgain: attempts.filter(({ sends }) => Number(sends) > 1).length,
    refunds: { wanted: wishes.length, made: refunds.made },
    scans: input.cursors.figures(),
    webhooks: {
      received: storeServer.received.length,
      distinct: new Set(storeServer.received.map(({ id }) => id)).size,
    },
    lies: countLies(chains),
    misfortunes: Object.fromEntries([...input.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    secondsToEnd,
    breaches,
  };
}

/** On each chain the merchant holds what it was paid, less what it gave back. */
async function judgeMoney(
  { chains, merchant, payments, amount }: JudgeInput,
  truth: Truth,
  refunded: bigint,
): Promise<string[]> {
  let held = 0n;
  for (const { home, token, delegated } of chains)
    for (const { address } of [merchant.account, merchant.vault])
      for (const one of [token, delegated.token]) held += await home.chain.balanceOf(one, address);
  const transfers = payments.reduce(
    (sum, { paymentId }) => sum + (truth.transfers.get(paymentId)?.length ?? 0),
    0,
  );
  const expected = amount * BigInt(transfers) - refunded;
  return held === expected
    ? []
    : [`the merchant holds ${held}, its payments less its refunds make ${expected}`];
}

function countLies(chains: readonly ChaosChain[]): Counts {
  const counts: Record<string, number> = {};
  for (const node of chains.flatMap(({ nodes }) => nodes))
    for (const [kind, times] of node.lied) counts[kind] = (counts[kind] ?? 0) + times;
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of [...values].sort()) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
