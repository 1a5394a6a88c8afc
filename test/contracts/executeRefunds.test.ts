import { expect } from 'chai';
import { encodeFunctionData, type Address } from 'viem';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import {
  hostileTokenAbi,
  hostileTokenBytecode,
} from '../../contracts/generated/test/HostileToken.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { accountAt, FUNDS, type RefundExecution } from '../../dev/contracts/createWorkbench.ts';
import {
  type DecodedError,
  expectRevert,
  failed,
  findRevert,
  hostileMode,
  ofGateway,
  payer,
  refundedEvents,
  rejectedRefundEvents,
  secondPayer,
  sendAt,
  simulateBatch,
  simulateRawBatch,
  stranger,
  succeeded,
  useContracts,
} from './support.ts';
import { walletMode } from '../support/walletMode.ts';

describe('PaymentGateway.executeRefunds', () => {
  const world = useContracts();
  const merchant = accountAt(2);
  const idOf = (execution: RefundExecution) => world.paymentIdOf(execution.terms);
  async function paidTerms(changes: Parameters<typeof world.makeTerms>[0] = {}, by = payer) {
    const terms = await world.makeTerms(changes);
    await world.send(world.payCall(by.address, terms));
    return terms;
  }
  const good = async () => world.authorizeRefund(merchant, await paidTerms({}, secondPayer));

  /** Paid in an honest mood; the merchant has allowed it to be taken back. */
  async function paidWithHostile(mode: number) {
    const token = await world.deploy(hostileTokenAbi, hostileTokenBytecode);
    await world.mint(payer.address, FUNDS, token);
    await world.approve(payer.address, FUNDS, token);
    await world.approve(merchant.address, FUNDS, token);
    const terms = await paidTerms({ token });
    const data = encodeFunctionData({
      abi: hostileTokenAbi,
      functionName: 'setMode',
      args: [mode],
    });
    await world.send({ from: stranger.address, to: token, data });
    return terms;
  }

  /**
   * Good, bad, good: both good ones are refunded, the bad one is rejected for this reason and
   * nothing of it remains.
   */
  async function expectOnlyRejected(bad: RefundExecution, reason: DecodedError | undefined) {
    const executions = [await good(), bad, await good()];
    const call = world.executeRefundsCall(executions);
    const refundedBefore = await world.refundedAmount(bad.terms);
    expect(await simulateBatch(world, call)).to.deep.equal([
      succeeded,
      { success: false, reason },
      succeeded,
    ]);
    const receipt = await world.send(call);
    expect(receipt.status).to.equal('success');
    expect(rejectedRefundEvents(world, receipt)).to.deep.equal([
      { paymentId: idOf(bad), nonce: bad.nonce, reason },
    ]);
    expect(refundedEvents(world, receipt).map((event) => event.nonce)).to.deep.equal([
      executions[0]?.nonce,
      executions[2]?.nonce,
    ]);
    expect(await world.refundedAmount(bad.terms)).to.equal(refundedBefore);
    return receipt;
  }

  beforeEach(async () => {
    await world.approve(merchant.address);
  });

  it('makes every refund of the batch, each to its own payer', async () => {
    const first = await paidTerms({ amount: 100n });
    const second = await paidTerms({ amount: 100n }, secondPayer);
    const executions = [
      await world.authorizeRefund(merchant, first, { amount: 5n }),
      await world.authorizeRefund(merchant, second, { amount: 7n }),
      await world.authorizeRefund(merchant, first, { amount: 95n }),
    ];
    const call = world.executeRefundsCall(executions);
    expect(await simulateBatch(world, call)).to.deep.equal([succeeded, succeeded, succeeded]);
    const receipt = await world.send(call);
    expect(
      refundedEvents(world, receipt).map(({ nonce, payer: to, amount }) => ({ nonce, to, amount })),
    ).to.deep.equal([
      { nonce: executions[0]?.nonce, to: payer.address, amount: 5n },
      { nonce: executions[1]?.nonce, to: secondPayer.address, amount: 7n },
      { nonce: executions[2]?.nonce, to: payer.address, amount: 95n },
    ]);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS);
    expect(await world.balanceOf(secondPayer.address)).to.equal(FUNDS - 93n);
    expect(await world.balanceOf(merchant.address)).to.equal(93n);
  });

  it('does nothing for an empty batch', async () => {
    expect(await simulateBatch(world, world.executeRefundsCall([]))).to.deep.equal([]);
    const receipt = await world.send(world.executeRefundsCall([]));
    expect(receipt.status).to.equal('success');
    expect(receipt.logs).to.deep.equal([]);
  });

  it('applies the permits of its items', async () => {
    await world.approve(merchant.address, 0n);
    const terms = await paidTerms();
    const permit = await world.signPermit({
      owner: merchant,
      spender: world.gateway,
      value: terms.amount,
    });
    await world.send(
      world.executeRefundsCall([await world.authorizeRefund(merchant, terms, { permit })]),
    );
    expect(await world.refundedAmount(terms)).to.equal(terms.amount);
  });

  it('rejects only the item that somebody else signed', async () => {
    const bad = await world.authorizeRefund(stranger, await paidTerms());
    await expectOnlyRejected(bad, {
      errorName: 'InvalidRefundAuthorization',
      args: [idOf(bad), bad.nonce, merchant.address],
    });
  });

  it('rejects only the item whose payment was not made', async () => {
    const bad = await world.authorizeRefund(merchant, await world.makeTerms());
    await expectOnlyRejected(bad, { errorName: 'PaymentNotProcessed', args: [idOf(bad)] });
  });

  it('rejects only the item of nothing', async () => {
    const bad = await world.authorizeRefund(merchant, await paidTerms(), { amount: 0n });
    await expectOnlyRejected(bad, { errorName: 'InvalidAmount', args: [0n] });
  });

  it('rejects only the item whose signature is out of date', async () => {
    const deadline = (await world.now()) + 600;
    const bad = await world.authorizeRefund(merchant, await paidTerms(), { deadline });
    const other = await good();
    const receipt = await sendAt(world, deadline + 1, world.executeRefundsCall([bad, other]));
    expect(rejectedRefundEvents(world, receipt)).to.deep.equal([
      {
        paymentId: idOf(bad),
        nonce: bad.nonce,
        reason: {
          errorName: 'RefundExpired',
          args: [idOf(bad), bad.nonce, deadline, BigInt(deadline + 1)],
        },
      },
    ]);
    expect(refundedEvents(world, receipt).map((event) => event.nonce)).to.deep.equal([other.nonce]);
  });

  it('executes an item that is in the batch twice once', async () => {
    const twice = await world.authorizeRefund(merchant, await paidTerms(), { amount: 1n });
    const call = world.executeRefundsCall([twice, twice]);
    expect(await simulateBatch(world, call)).to.deep.equal([
      succeeded,
      failed('RefundNonceUsed', [idOf(twice), twice.nonce]),
    ]);
    await world.send(call);
    expect(await world.refundedAmount(twice.terms)).to.equal(1n);
  });

  it('rejects only the items that together would be more than was paid', async () => {
    const terms = await paidTerms({ amount: 10n });
    const ofAmount = (amount: bigint) => world.authorizeRefund(merchant, terms, { amount });
    const call = world.executeRefundsCall([
      await ofAmount(6n),
      await ofAmount(5n),
      await ofAmount(4n),
      await ofAmount(1n),
    ]);
    const id = world.paymentIdOf(terms);
    expect(await simulateBatch(world, call)).to.deep.equal([
      succeeded,
      failed('RefundExceedsPayment', [id, 5n, 6n, 10n]),
      succeeded,
      failed('RefundExceedsPayment', [id, 1n, 10n, 10n]),
    ]);
    await world.send(call);
    expect(await world.refundedAmount(terms)).to.equal(10n);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS);
  });

  it('rejects only the item whose token refuses, and leaves it refundable', async () => {
    for (const mode of [hostileMode.returnFalse, hostileMode.returnFalseAfterMoving]) {
      const terms = await paidWithHostile(mode);
      const bad = await world.authorizeRefund(merchant, terms);
      await expectOnlyRejected(bad, { errorName: 'SafeERC20FailedOperation', args: [terms.token] });
      expect(await world.isRefundNonceUsed(terms, bad.nonce)).to.equal(false);
      const data = encodeFunctionData({
        abi: hostileTokenAbi,
        functionName: 'setMode',
        args: [hostileMode.honest],
      });
      await world.send({ from: stranger.address, to: terms.token, data });
      expect(
        refundedEvents(world, await world.send(world.executeRefundsCall([bad]))),
      ).to.have.length(1);
    }
  });

  it('rejects only the item whose token, permit or wallet burns all its gas, at a bounded cost', async () => {
    const burning = await world.authorizeRefund(
      merchant,
      await paidWithHostile(hostileMode.burnGas),
    );
    expect((await expectOnlyRejected(burning, undefined)).gasUsed < 800_000n).to.equal(true);
    const permit = await world.signPermit({ owner: merchant, spender: world.gateway });
    const permitting = await world.authorizeRefund(
      merchant,
      await paidWithHostile(hostileMode.permitBurnsGas),
      { permit },
    );
    expect((await expectOnlyRejected(permitting, undefined)).gasUsed < 800_000n).to.equal(true);

    const wallet: Address = await world.deploy(testWalletAbi, testWalletBytecode, [
      stranger.address,
    ]);
    const data = encodeFunctionData({
      abi: testWalletAbi,
      functionName: 'setMode',
      args: [walletMode.burnGas],
    });
    await world.send({ from: stranger.address, to: wallet, data });
    const asking = await world.authorizeRefund(stranger, await paidTerms({ merchant: wallet }));
    await expectOnlyRejected(asking, {
      errorName: 'InvalidRefundAuthorization',
      args: [idOf(asking), asking.nonce, wallet],
    });
  });

  it('rejects only the item whose token reverts with an enormous reason, and tells its beginning only', async () => {
    const bad = await world.authorizeRefund(
      merchant,
      await paidWithHostile(hostileMode.revertBomb),
    );
    const call = world.executeRefundsCall([await good(), bad, await good()]);
    const results = await simulateRawBatch(world, call);
    expect(results.map(({ success, reason }) => [success, (reason.length - 2) / 2])).to.deep.equal([
      [true, 0],
      [false, 256],
      [true, 0],
    ]);
    const receipt = await world.send(call);
    expect(refundedEvents(world, receipt)).to.have.length(2);
    const rejections = ofGateway(world, receipt).filter((log) => log.topics.length === 2);
    // The nonce, an offset, a length, and 256 bytes.
    expect(rejections.map((log) => (log.data.length - 2) / 2)).to.deep.equal([96 + 256]);
  });

  it('reverts as a whole rather than reject an item for too little gas, whatever the gas limit', async () => {
    const call = world.executeRefundsCall([await good(), await good(), await good()]);
    const enough = await world.client.estimateGas({
      account: call.from,
      to: call.to,
      data: call.data,
    });
    let reverted = 0;
    for (let gas = 60_000n; gas < enough; gas += 30_000n) {
      const snapshot = await world.client.snapshot();
      const receipt = await world.send({ ...call, gas });
      expect(rejectedRefundEvents(world, receipt), `gas ${String(gas)}`).to.deep.equal([]);
      expect(refundedEvents(world, receipt), `gas ${String(gas)}`).to.have.length(
        receipt.status === 'success' ? 3 : 0,
      );
      if (receipt.status === 'reverted') reverted += 1;
      await world.client.revert({ id: snapshot });
    }
    expect(reverted).to.be.greaterThan(5);
    expect(refundedEvents(world, await world.send({ ...call, gas: enough }))).to.have.length(3);
  });

  it('says which item it had too little gas for', async () => {
    const call = world.executeRefundsCall([await good(), await good()]);
    const { errorName, args } = await findRevert(world, { ...call, gas: 440_000n });
    expect(errorName).to.equal('BatchGasTooLow');
    expect(args[0]).to.equal(0n);
    expect((args[1] as bigint) < (args[2] as bigint)).to.equal(true);
  });

  it('keeps its inner call to itself', async () => {
    const execution = await good();
    const data = encodeFunctionData({
      abi: paymentGatewayAbi,
      functionName: 'executeRefundBatchItem',
      args: [execution],
    });
    for (const from of [stranger.address, world.forwarder, merchant.address]) {
      expect(await findRevert(world, { from, to: world.gateway, data })).to.deep.equal({
        errorName: 'OnlySelf',
        args: [from],
      });
    }
    await expectRevert(world, { from: stranger.address, to: world.gateway, data }, 'OnlySelf', [
      stranger.address,
    ]);
    expect(await world.refundedAmount(execution.terms)).to.equal(0n);
  });
});
