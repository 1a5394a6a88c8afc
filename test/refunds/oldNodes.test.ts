import { expect } from 'chai';

import { createChain } from '../../adapters/chain/createChain.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { refundPayment, type RefundPaymentInput } from '../../domain/relay/refundPayment.ts';
import { createStore } from '../../domain/stores/service.ts';
import { execute } from '../../platform/db.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { setSettledTime, withChain } from '../support/varyContext.ts';

describe('a refund that was told as failed, and that the chain has as made', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let node: OddNode;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    node = await startOddNode(chain.rpcUrl);
    harness = await createHarness({ config: chain.configure({ confirmations: 1 }) });
  });
  after(async () => {
    await harness.close();
    await node.close();
    await chain.close();
  });

  it('leaves no room for another one because a URL lags and does not have it', async () => {
    const { ctx } = harness;
    const [config] = harness.config.chains;
    const port = ctx.chains.get(config?.chainId ?? 0);
    if (config === undefined || port === undefined) throw new Error('there is no chain');
    const { chainId } = config;
    const merchant = await chain.createAccount();
    await chain.approve(merchant);
    const { id: storeId } = await createStore(ctx, {
      name: 'A shop',
      payoutAddress: merchant.address,
    });
    const payment = await harness.createTestPayment(
      { storeId, apiKey: '', payoutAddress: merchant.address },
      { token: chain.token },
    );
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine();
    await scanChain(ctx, chainId);

    const signRefund = async (nonce: bigint): Promise<RefundPaymentInput> => {
      const refund = {
        merchant: merchant.address,
        amount: parseAmountUnits('10'),
        nonce,
        deadline: toUnixSeconds(new Date()) + 600,
      };
      const signature = await signTypedData(
        merchant,
        port.buildRefundTypedData({ paymentId: payment.id, refund }),
      );
      return { ...refund, storeId, paymentId: payment.id, signature, permit: null };
    };
    const first = await signRefund(1n);
    const { id, deadline } = await refundPayment(ctx, first);
    await execute(
      ctx.db,
      "UPDATE refunds SET status = 'failed', error_code = 'PAY_029', error_detail = 'No.' WHERE id = ?",
      [id],
    );
    await execute(
      ctx.db,
      "UPDATE relay_attempts SET status = 'failed', live_subject_id = NULL WHERE refund_id = ?",
      [id],
    );

    await node.standStill();
    const { signature, ...authorized } = first;
    const call = port.encodeRelay([
      {
        signed: { rail: 'refund', refund: { ...authorized, merchant: merchant.address } },
        signature,
        permit: null,
        paymentId: payment.id,
        terms: payment.terms,
      },
    ]);
    await (
      await chain.createRelayer()
    ).send({ ...call, gasLimit: 300_000n, validUntil: addMs(new Date(), 60_000) });
    await chain.mine();
    // A node that shows no logs: nobody is told of it. By the chain's clock its signature is over.
    const forgetful = withChain(ctx, chainId, () => ({
      listGatewayLogs: async (range) => ({
        ...(await port.listGatewayLogs(range)),
        payments: [],
        refunds: [],
      }),
    }));
    await scanChain(forgetful, chainId);
    await setSettledTime(ctx, chainId, addMs(deadline, 31_000));

    const old = createChain({
      chain: { ...config, rpcUrls: [node.url] },
      clock: ctx.clock,
      log: ctx.log,
    });
    const lagging = withChain(ctx, chainId, () => ({
      isRefunded: old.isRefunded,
      getRefundedAmount: old.getRefundedAmount,
    }));
    const second = await signRefund(2n);
    expect((await expectRefusal(refundPayment(lagging, second))).code).to.equal('PAY_020');
    expect((await expectRefusal(refundPayment(ctx, second))).code).to.equal('PAY_037');
    const both = createChain({
      chain: { ...config, rpcUrls: [node.url, chain.rpcUrl] },
      clock: ctx.clock,
      log: ctx.log,
    });
    const several = withChain(ctx, chainId, () => ({
      isRefunded: both.isRefunded,
      getRefundedAmount: both.getRefundedAmount,
    }));
    expect((await expectRefusal(refundPayment(several, second))).code).to.equal('PAY_037');
  });
});
