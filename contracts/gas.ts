/**
 * Prints the gas of a payment on each way to make it, and fails when relaying in a batch is not clearly cheaper than paying
 * directly: above 0.80 of a direct payment in a batch of 20.
 *
 * All are measured alike: the same token, allowances that are finite and larger than the payment, a merchant who has been
 * paid before. "Later" is a payer who has paid that way before, "first" one who has not. Direct is measured as later.
 */
import { createWorkbench, accountAt, noPermit, type Call, type PaymentExecution, type Workbench } from './workbench.ts';

const BATCH_SIZES = [2, 5, 10, 20, 50];
const GUARDED_BATCH_SIZE = 20;
const GREATEST_RATIO = 0.8;
/** Accounts below are the deployer, the relayer and the merchant. */
const FIRST_PAYER = 3;

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
  for (let index = FIRST_PAYER; index < FIRST_PAYER + 75; index++) await b.mint(accountAt(index).address);
  await b.approve(payer.address);
  await b.approve(newcomer.address);

  const pay = async () => b.payCall(payer.address, await b.makeTerms());
  await gasOf(b, await pay());
  add('direct', await gasOf(b, await pay()));

  // A permit sets an allowance that was used up: like a payer who permits each payment by itself.
  const permitted = accountAt(FIRST_PAYER + 2);
  const payWithPermit = async () => {
    const terms = await b.makeTerms();
    const permit = await b.signPermit({ owner: permitted, spender: b.gateway, value: terms.amount });
    return b.payWithPermitCall(permitted.address, terms, permit);
  };
  add('direct with permit, first', await gasOf(b, await payWithPermit()));
  add('direct with permit, later', await gasOf(b, await payWithPermit()));

  const forward = async () => b.forwardCall(await b.signForwardRequest(newcomer, b.payData(await b.makeTerms())));
  add('forwarder, first', await gasOf(b, await forward()));
  add('forwarder, later', await gasOf(b, await forward()));

  const forwarded = accountAt(FIRST_PAYER + 3);
  const forwardWithPermit = async () => {
    const terms = await b.makeTerms();
    const permit = await b.signPermit({ owner: forwarded, spender: b.gateway, value: terms.amount });
    return b.forwardWithPermitCall(await b.signForwardRequest(forwarded, b.payData(terms)), b.token, permit);
  };
  add('forwarder with permit, first', await gasOf(b, await forwardWithPermit()));
  add('forwarder with permit, later', await gasOf(b, await forwardWithPermit()));

  const authorized = accountAt(FIRST_PAYER + 4);
  await b.approve(authorized.address);
  const execute = async () => b.executePaymentCall(await b.authorize(authorized, await b.makeTerms()));
  add('authorization, first', await gasOf(b, await execute()));
  add('authorization, later', await gasOf(b, await execute()));

  const authorizedWithPermit = accountAt(FIRST_PAYER + 5);
  const executeWithPermit = async () => {
    const terms = await b.makeTerms();
    const permit = await b.signPermit({ owner: authorizedWithPermit, spender: b.gateway, value: terms.amount });
    return b.executePaymentCall(await b.authorize(authorizedWithPermit, terms, { permit }));
  };
  add('authorization with permit, first', await gasOf(b, await executeWithPermit()));
  add('authorization with permit, later', await gasOf(b, await executeWithPermit()));

  const batchPayers = (size: number) => Array.from({ length: size }, (_, index) => accountAt(FIRST_PAYER + 10 + index));
  for (const { address } of batchPayers(Math.max(...BATCH_SIZES))) await b.approve(address);
  for (const size of BATCH_SIZES) {
    for (const turn of ['first', 'later']) {
      // Each size starts with payers who have not been in a batch: state is put back after it.
      const snapshot = turn === 'first' ? await b.client.snapshot() : undefined;
      if (turn === 'later') await gasOf(b, b.executePaymentsCall(await executions(b, batchPayers(size))));
      const gas = await gasOf(b, b.executePaymentsCall(await executions(b, batchPayers(size))));
      add(`authorizations, batch of ${String(size)}, ${turn}`, gas / size);
      if (snapshot !== undefined) await b.client.revert({ id: snapshot });
    }
  }
  return rows;
}

async function executions(b: Workbench, payers: ReturnType<typeof accountAt>[]): Promise<PaymentExecution[]> {
  return Promise.all(payers.map(async (payer) => b.authorize(payer, await b.makeTerms(), { permit: noPermit })));
}

/** The gas that was paid for. Everything in the call has to succeed: a rejected item would make a batch look cheap. */
async function gasOf(b: Workbench, call: Call): Promise<number> {
  const receipt = await b.send(call);
  const payments = receipt.logs.filter((log) => log.address.toLowerCase() === b.gateway.toLowerCase() && log.topics.length === 4);
  const rejections = receipt.logs.filter((log) => log.address.toLowerCase() === b.gateway.toLowerCase() && log.topics.length === 2);
  if (receipt.status !== 'success' || payments.length === 0 || rejections.length > 0) throw new Error('A measured payment failed');
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
  process.stdout.write(`${'way'.padEnd(width)}  ${'gas'.padStart(9)}  ${'× direct'.padStart(8)}\n${lines.join('\n')}\n`);
  const guarded = rows.filter((row) => row.way.startsWith(`authorizations, batch of ${String(GUARDED_BATCH_SIZE)},`));
  const worst = Math.max(...guarded.map((row) => row.gasPerPayment)) / direct;
  const kept = worst <= GREATEST_RATIO;
  process.stdout.write(
    `\nA payment in a batch of ${String(GUARDED_BATCH_SIZE)} costs ${worst.toFixed(3)} of a direct one; ${GREATEST_RATIO.toFixed(2)} is allowed.\n`,
  );
  return kept;
}
