/**
 * Prints the gas of a payment or refund on each way to make it, and fails when relaying in a batch
 * is not clearly cheaper than paying directly: above 0.80 of a direct payment in a batch of 20.
 *
 * All are measured alike: the same token, allowances that are finite and larger than the payment, a
 * merchant who has been paid before. "Later" is a payer who has paid that way before, "first" one
 * who has not. Direct is measured as later. Of refunds, "first" is a payment's first one and
 * "later" another of the same payment.
 */
import {
  accountAt,
  createWorkbench,
  noPermit,
  type BatchPermit,
  type Call,
  type ForwardRequest,
  type PaymentExecution,
  type RefundExecution,
  type Workbench,
} from './createWorkbench.ts';

const BATCH_SIZES = [2, 5, 10, 20, 50];
const GUARDED_BATCH_SIZE = 20;
const GREATEST_RATIO = 0.8;
/** Accounts below are the deployer, the relayer and the merchant. */
const FIRST_PAYER = 3;
const MERCHANT = accountAt(2);
type Payer = ReturnType<typeof accountAt>;

interface Row {
  way: string;
  gasPerPayment: number;
}

const bench = await createWorkbench();
try {
  process.exitCode = report(await measure(bench)) ? 0 : 1;
} finally {
  await bench.close();
}

async function measure(b: Workbench): Promise<Row[]> {
  const rows: Row[] = [];
  const add = (way: string, gasPerPayment: number): void => void rows.push({ way, gasPerPayment });
  const payer = accountAt(FIRST_PAYER);
  const newcomer = accountAt(FIRST_PAYER + 1);
  await b.mint(b.merchant);
  for (let index = FIRST_PAYER; index < FIRST_PAYER + 75; index++)
    await b.mint(accountAt(index).address);
  await b.approve(payer.address);
  await b.approve(newcomer.address);

  const pay = async () => b.payCall(payer.address, await b.makeTerms());
  await gasOf(b, await pay());
  add('direct', await gasOf(b, await pay()));

  // A permit sets an allowance that was used up: like a payer who permits each payment by itself.
  const permitted = accountAt(FIRST_PAYER + 2);
  const payWithPermit = async () => {
    const terms = await b.makeTerms();
    const permit = await b.signPermit({
      owner: permitted,
      spender: b.gateway,
      value: terms.amount,
    });
    return b.payWithPermitCall(permitted.address, terms, permit);
  };
  add('direct with permit, first', await gasOf(b, await payWithPermit()));
  add('direct with permit, later', await gasOf(b, await payWithPermit()));

  const forward = async () =>
    b.forwardCall(await b.signForwardRequest(newcomer, b.payData(await b.makeTerms())));
  add('forwarder, first', await gasOf(b, await forward()));
  add('forwarder, later', await gasOf(b, await forward()));

  const forwarded = accountAt(FIRST_PAYER + 3);
  const forwardWithPermit = async () => {
    const terms = await b.makeTerms();
    const permit = await b.signPermit({
      owner: forwarded,
      spender: b.gateway,
      value: terms.amount,
    });
    return b.forwardWithPermitCall(
      await b.signForwardRequest(forwarded, b.payData(terms)),
      b.token,
      permit,
    );
  };
  add('forwarder with permit, first', await gasOf(b, await forwardWithPermit()));
  add('forwarder with permit, later', await gasOf(b, await forwardWithPermit()));

  const authorized = accountAt(FIRST_PAYER + 4);
  await b.approve(authorized.address);
  const execute = async () =>
    b.executePaymentCall(await b.authorize(authorized, await b.makeTerms()));
  add('authorization, first', await gasOf(b, await execute()));
  add('authorization, later', await gasOf(b, await execute()));

  const authorizedWithPermit = accountAt(FIRST_PAYER + 5);
  const executeWithPermit = async () => {
    const terms = await b.makeTerms();
    const permit = await b.signPermit({
      owner: authorizedWithPermit,
      spender: b.gateway,
      value: terms.amount,
    });
    return b.executePaymentCall(await b.authorize(authorizedWithPermit, terms, { permit }));
  };
  add('authorization with permit, first', await gasOf(b, await executeWithPermit()));
  add('authorization with permit, later', await gasOf(b, await executeWithPermit()));

  const batchPayers = (size: number) =>
    Array.from({ length: size }, (_, index) => accountAt(FIRST_PAYER + 10 + index));
  for (const { address } of batchPayers(Math.max(...BATCH_SIZES))) await b.approve(address);
  /**
   * Two batches of the same payers, the first and a later one. State is put back after them, so
   * that the next size starts anew.
   */
  const addBatches = async (way: string, size: number, makeCall: () => Promise<Call>) => {
    const snapshot = await b.client.snapshot();
    add(`${way}, batch of ${String(size)}, first`, (await gasOf(b, await makeCall(), size)) / size);
    add(`${way}, batch of ${String(size)}, later`, (await gasOf(b, await makeCall(), size)) / size);
    await b.client.revert({ id: snapshot });
  };
  for (const size of BATCH_SIZES) {
    await addBatches('authorizations', size, async () =>
      b.executePaymentsCall(await executions(b, batchPayers(size))),
    );
  }
  for (const size of BATCH_SIZES) {
    await addBatches('forwarder', size, async () =>
      b.forwardBatchCall(await requests(b, batchPayers(size))),
    );
  }
  const permittingPayers = batchPayers(GUARDED_BATCH_SIZE);
  for (const { address } of permittingPayers) await b.approve(address, 0n);
  await addBatches('forwarder with permits', permittingPayers.length, async () =>
    b.forwardBatchCall(await requests(b, permittingPayers), await permits(b, permittingPayers)),
  );

  await b.approve(b.merchant);
  const refunded = await b.makeTerms();
  await b.send(b.payCall(payer.address, refunded));
  const refund = async () =>
    b.executeRefundCall(
      await b.authorizeRefund(MERCHANT, refunded, { amount: refunded.amount / 2n }),
    );
  add('refund, first', await gasOf(b, await refund()));
  add('refund, later', await gasOf(b, await refund()));
  const paid = await executions(
    b,
    [payer, newcomer, authorized]
      .flatMap((each) => Array<Payer>(7).fill(each))
      .slice(0, GUARDED_BATCH_SIZE),
  );
  await gasOf(b, b.executePaymentsCall(paid), paid.length);
  await addBatches('refunds', paid.length, async () =>
    b.executeRefundsCall(await halfRefunds(b, paid)),
  );
  return rows;
}

async function executions(b: Workbench, payers: Payer[]): Promise<PaymentExecution[]> {
  return Promise.all(
    payers.map(async (payer) => b.authorize(payer, await b.makeTerms(), { permit: noPermit })),
  );
}

async function requests(b: Workbench, payers: Payer[]): Promise<ForwardRequest[]> {
  return Promise.all(
    payers.map(async (payer) => b.signForwardRequest(payer, b.payData(await b.makeTerms()))),
  );
}

/** One for each request, for just what it pays. */
async function permits(b: Workbench, payers: Payer[]): Promise<BatchPermit[]> {
  const { amount: value } = await b.makeTerms();
  return Promise.all(
    payers.map(async (owner, index) => {
      const permit = await b.signPermit({ owner, spender: b.gateway, value });
      return { requestIndex: BigInt(index), token: b.token, permit };
    }),
  );
}

async function halfRefunds(b: Workbench, payments: PaymentExecution[]): Promise<RefundExecution[]> {
  return Promise.all(
    payments.map(({ terms }) => b.authorizeRefund(MERCHANT, terms, { amount: terms.amount / 2n })),
  );
}

/**
 * The gas that was paid for. All of the payments or refunds in the call have to succeed: a rejected
 * one would make a batch look cheap.
 */
async function gasOf(b: Workbench, call: Call, items = 1): Promise<number> {
  const receipt = await b.send(call);
  const done = receipt.logs.filter(
    (log) => log.address.toLowerCase() === b.gateway.toLowerCase() && log.topics.length === 4,
  );
  if (receipt.status !== 'success' || done.length !== items)
    throw new Error('A measured payment or refund failed');
  return Number(receipt.gasUsed);
}

/** Whether the guarded batch keeps its promise. */
function report(rows: Row[]): boolean {
  const direct = rows[0]?.gasPerPayment ?? NaN;
  const width = Math.max(...rows.map((row) => row.way.length));
  const lines = rows.map(({ way, gasPerPayment }) => {
    const gas = Math.round(gasPerPayment).toLocaleString('en-US');
    return `${way.padEnd(width)}  ${gas.padStart(9)}  ${(gasPerPayment / direct).toFixed(2).padStart(8)}`;
  });
  process.stdout.write(
    `${'way'.padEnd(width)}  ${'gas'.padStart(9)}  ${'× direct'.padStart(8)}\n${lines.join('\n')}\n`,
  );
  const guarded = rows.filter((row) =>
    row.way.startsWith(`authorizations, batch of ${String(GUARDED_BATCH_SIZE)},`),
  );
  const worst = Math.max(...guarded.map((row) => row.gasPerPayment)) / direct;
  const kept = worst <= GREATEST_RATIO;
  process.stdout.write(
    `\nA payment in a batch of ${String(GUARDED_BATCH_SIZE)} costs ${worst.toFixed(3)} of a direct one; ${GREATEST_RATIO.toFixed(2)} is allowed.\n`,
  );
  return kept;
}
