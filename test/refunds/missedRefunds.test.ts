import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { findMissedRefunds } from '../../domain/scan/findMissedRefunds.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Refund } from '../../domain/refunds/model.ts';
import { findRefund } from '../../domain/refunds/service.ts';
import {
  getRefundRequest,
  refundPayment,
  type RefundPaymentInput,
} from '../../domain/relay/refundPayment.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { createStore } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readPayment } from '../support/relayFlow.ts';
import { startOddNode } from '../support/startOddNode.ts';
import { atTime, withChain, withRpcUrls } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
const MAX_BLOCK_RANGE = 5;
/** More than the scanner reads again. */
const BEYOND_OVERLAP = 4 * MAX_BLOCK_RANGE + 5;

describe('a refund that somebody else’s transaction makes', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;
  let ctx: Context;
  let chainId: number;
  let merchant: PrivateKeyAccount;
  let storeId: string;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: MAX_BLOCK_RANGE }),
    });
    ctx = harness.ctx;
    chainId = harness.config.chains[0]?.chainId ?? 0;
    merchant = await chain.createAccount();
    storeId = (await createStore(ctx, { name: 'A shop', payoutAddress: merchant.address })).id;
    await chain.approve(merchant);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  async function completePayment(): Promise<Payment> {
    const payment = await harness.createTestPayment(
      { storeId, apiKey: '', payoutAddress: merchant.address },
      { token: chain.token },
    );
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect((await readPayment(ctx, payment)).status).to.equal('completed');
    return payment;
  }

  async function signRefund(payment: Payment): Promise<RefundPaymentInput> {
    const request = { storeId, paymentId: payment.id, amount: parseAmountUnits('10') };
    const { refund, typedData } = await getRefundRequest(ctx, request);
    const { nonce, deadline } = refund;
    return {
      ...request,
      nonce,
      deadline,
      signature: await signTypedData(merchant, typedData),
      permit: null,
    };
  }

  /** By whoever has the signature, in a block of its own. */
  async function useSignature(
    payment: Payment,
    { amount, nonce, deadline, signature }: RefundPaymentInput,
  ): Promise<void> {
    const call = ctx.chains.get(chainId)?.encodeRelay([
      {
        signed: { rail: 'refund', refund: { merchant: merchant.address, amount, nonce, deadline } },
        ...{ signature, permit: null, paymentId: payment.id, terms: payment.terms },
      },
    ]);
    if (call === undefined) throw new Error('no chain');
    await (
      await chain.createRelayer()
    ).send({ ...call, gasLimit: 300_000n, validUntil: new Date(deadline * 1000) });
    await chain.mine();
  }

  async function read({ id }: Refund): Promise<Refund> {
    const found = await findRefund(ctx, id);
    if (found === undefined) throw new Error('the refund is gone');
    return found;
  }

  /** Made by another transaction, in a block that the scanner has passed without seeing it. */
  async function makeMissed(): Promise<Refund> {
    const payment = await completePayment();
    const signed = await signRefund(payment);
    const refund = await refundPayment(ctx, signed);
    await useSignature(payment, signed);
    await chain.mine(BEYOND_OVERLAP);
    const keepingBack = withChain(ctx, chainId, (port) => ({
      listGatewayLogs: async (range) => ({
        ...(await port.listGatewayLogs(range)),
        payments: [],
        refunds: [],
      }),
    }));
    await scanChain(keepingBack, chainId);
    await scanChain(ctx, chainId);
    expect(await read(refund), 'it was not missed').to.include({
      status: 'processing',
      position: null,
    });
    return refund;
  }

  const later = (refund: Refund, ms: number) => addMs(refund.updatedAt, ms);

  it('before its request is saved is found as soon as it is', async () => {
    const payment = await completePayment();
    const signed = await signRefund(payment);
    // The merchant uses the signature itself when its request has been judged, and a scan comes
    // before it is saved.
    const hasty = withChain(ctx, chainId, (port) => ({
      async findRefundRefusal(...asked) {
        const refusal = await port.findRefundRefusal(...asked);
        await useSignature(payment, signed);
        await scanChain(ctx, chainId);
        return refusal;
      },
    }));
    const refund = await refundPayment(hasty, signed);
    expect(refund).to.include({ status: 'processing', position: null });
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect((await read(refund)).status).to.equal('completed');
  });

  it('and that the logs did not show is found when it has been waited for, at whichever URL shows it, and its attempt ends', async () => {
    const refund = await makeMissed();
    await findMissedRefunds(atTime(ctx, later(refund, 60_000)));
    expect((await read(refund)).position).to.equal(null);

    const lacking = await startOddNode(chain.rpcUrl);
    lacking.changeResults((method, result) => (method === 'eth_getLogs' ? [] : result));
    try {
      await findMissedRefunds(
        withRpcUrls(atTime(ctx, later(refund, 180_000)), chainId, [lacking.url, chain.rpcUrl]),
      );
    } finally {
      await lacking.close();
    }
    expect((await read(refund)).position).not.to.equal(null);
    await scanChain(ctx, chainId);
    expect((await read(refund)).status).to.equal('completed');
    await sendAttempt(ctx, refund.relayAttemptId ?? '');
    const attempts = await selectRows<{ status: string }>(
      ctx.db,
      'SELECT status FROM relay_attempts WHERE refund_id = ?',
      [refund.id],
    );
    expect(attempts).to.deep.equal([{ status: 'failed' }]);
  });

  it('is found behind many others that are not made, by the round after', async () => {
    const other = await completePayment();
    const waiting = Array.from(
      { length: 50 },
      (_, index) => `rfd_00000000000000000000000000${String(index).padStart(4, '0')}`,
    );
    for (const [index, id] of waiting.entries()) {
      await execute(
        ctx.db,
        `INSERT INTO refunds (id, payment_id, store_id, chain_id, amount, nonce, deadline, status, version, created_at, updated_at)
         VALUES (?, ?, ?, ?, '1', ?, ?, 'processing', 1, ?, ?)`,
        [
          id,
          other.id,
          storeId,
          chainId,
          String(1_000 + index),
          other.terms.expiresAt,
          other.createdAt,
          other.createdAt,
        ],
      );
    }
    const refund = await makeMissed();
    const after = atTime(ctx, later(refund, 180_000));
    await findMissedRefunds(after);
    expect((await read(refund)).position).to.equal(null);
    await findMissedRefunds(after);
    expect((await read(refund)).position).not.to.equal(null);
  });

  it('fails the work, so that it is told of, while no URL shows its event', async () => {
    const refund = await makeMissed();
    const hiding = withChain(atTime(ctx, later(refund, 180_000)), chainId, () => ({
      findRefundLog: () => Promise.resolve(undefined),
    }));
    await execute(ctx.db, "UPDATE refunds SET status = 'failed' WHERE id LIKE 'rfd_0000000000%'");
    const failure = await findMissedRefunds(hiding).catch((error: unknown) => error);
    expect(failure).to.include({ code: 'PAY_020' });
    expect((await read(refund)).status).to.equal('processing');
  });
});
