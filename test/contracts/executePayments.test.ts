import { expect } from 'chai';
import { encodeFunctionData, type Address } from 'viem';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import {
  hostileTokenAbi,
  hostileTokenBytecode,
} from '../../contracts/generated/test/HostileToken.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { accountAt, FUNDS, type PaymentExecution } from '../../dev/contracts/createWorkbench.ts';
import {
  type decodeError,
  expectRevert,
  findRevert,
  hostileMode,
  newcomer,
  failed,
  ofGateway,
  pauper,
  payer,
  processedEvents,
  rejectedEvents,
  secondPayer,
  sendAt,
  simulateBatch,
  simulateRawBatch,
  stranger,
  succeeded,
  useContracts,
} from './support.ts';
import { walletMode } from '../support/walletMode.ts';

describe('PaymentGateway.executePayments', () => {
  const world = useContracts();
  const good = async () => world.authorize(secondPayer, await world.makeTerms());
  const idOf = (execution: PaymentExecution) => world.paymentIdOf(execution.terms);

  async function hostileToken(mode: number): Promise<Address> {
    const token = await world.deploy(hostileTokenAbi, hostileTokenBytecode);
    await world.mint(payer.address, FUNDS, token);
    await world.approve(payer.address, FUNDS, token);
    const data = encodeFunctionData({
      abi: hostileTokenAbi,
      functionName: 'setMode',
      args: [mode],
    });
    await world.send({ from: stranger.address, to: token, data });
    return token;
  }

  /**
   * Good, bad, good: both good ones are paid, the bad one is rejected for this reason and nothing
   * of it remains.
   */
  async function expectOnlyRejected(
    bad: PaymentExecution,
    reason: ReturnType<typeof decodeError> | undefined,
  ) {
    const executions = [await good(), bad, await good()];
    const call = world.executePaymentsCall(executions);
    expect(await simulateBatch(world, call)).to.deep.equal([
      succeeded,
      { success: false, reason },
      succeeded,
    ]);
    const receipt = await world.send(call);
    expect(receipt.status).to.equal('success');
    expect(rejectedEvents(world, receipt)).to.deep.equal([{ paymentId: idOf(bad), reason }]);
    expect(processedEvents(world, receipt).map((event) => event.paymentId)).to.deep.equal(
      [executions[0], executions[2]].map((execution) => execution && idOf(execution)),
    );
    for (const log of ofGateway(world, receipt))
      expect((log.data.length - 2) / 2).to.be.lessThan(400);
    return receipt;
  }

  it('makes every payment of the batch, each from its own payer', async () => {
    const executions = [
      await world.authorize(payer, await world.makeTerms({ amount: 5n })),
      await world.authorize(secondPayer, await world.makeTerms({ amount: 7n })),
      await world.authorize(
        payer,
        await world.makeTerms({ amount: 11n, merchant: stranger.address }),
      ),
    ];
    const receipt = await world.send(world.executePaymentsCall(executions));
    expect(
      processedEvents(world, receipt).map(({ paymentId, payer: from, amount }) => ({
        paymentId,
        from,
        amount,
      })),
    ).to.deep.equal(
      executions.map((execution) => ({
        paymentId: idOf(execution),
        from: execution.payer,
        amount: execution.terms.amount,
      })),
    );
    expect(rejectedEvents(world, receipt)).to.deep.equal([]);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS - 16n);
    expect(await world.balanceOf(secondPayer.address)).to.equal(FUNDS - 7n);
    expect(await world.balanceOf(world.merchant)).to.equal(12n);
    expect(await world.balanceOf(stranger.address)).to.equal(11n);
  });

  it('does nothing for an empty batch', async () => {
    expect(await simulateBatch(world, world.executePaymentsCall([]))).to.deep.equal([]);
    const receipt = await world.send(world.executePaymentsCall([]));
    expect(receipt.status).to.equal('success');
    expect(receipt.logs).to.deep.equal([]);
  });

  it('applies the permits of its items', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      value: terms.amount,
    });
    await world.send(
      world.executePaymentsCall([await good(), await world.authorize(newcomer, terms, { permit })]),
    );
    expect(await world.payerOf(terms)).to.equal(newcomer.address);
  });

  it('rejects only the item with a wrong signature', async () => {
    const bad = await world.authorize(stranger, await world.makeTerms(), { payer: payer.address });
    await expectOnlyRejected(bad, {
      errorName: 'InvalidAuthorization',
      args: [idOf(bad), payer.address],
    });
  });

  it('rejects only the item whose signature is out of date', async () => {
    const deadline = (await world.now()) + 600;
    const bad = await world.authorize(payer, await world.makeTerms(), { deadline });
    const other = await good();
    const receipt = await sendAt(world, deadline + 1, world.executePaymentsCall([bad, other]));
    expect(rejectedEvents(world, receipt)).to.deep.equal([
      {
        paymentId: idOf(bad),
        reason: {
          errorName: 'AuthorizationExpired',
          args: [idOf(bad), deadline, BigInt(deadline + 1)],
        },
      },
    ]);
    expect(await world.isProcessed(other.terms)).to.equal(true);
  });

  it('rejects only the item whose payment has expired', async () => {
    const expiresAt = (await world.now()) + 600;
    const bad = await world.authorize(payer, await world.makeTerms({ expiresAt }), {
      deadline: expiresAt + 600,
    });
    const other = await good();
    const receipt = await sendAt(world, expiresAt + 1, world.executePaymentsCall([bad, other]));
    expect(rejectedEvents(world, receipt)).to.deep.equal([
      {
        paymentId: idOf(bad),
        reason: {
          errorName: 'PaymentExpired',
          args: [idOf(bad), expiresAt, BigInt(expiresAt + 1)],
        },
      },
    ]);
    expect(await world.isProcessed(other.terms)).to.equal(true);
  });

  it('rejects only the item that was paid before', async () => {
    const paid = await world.authorize(payer, await world.makeTerms());
    await world.send(world.executePaymentCall(paid));
    await expectOnlyRejected(paid, {
      errorName: 'PaymentAlreadyProcessed',
      args: [idOf(paid), payer.address],
    });
  });

  it('answers a simulation with the outcome of each item, as the transaction then has it', async () => {
    const executions = [
      await good(),
      await world.authorize(stranger, await world.makeTerms(), { payer: payer.address }),
      await world.authorize(pauper, await world.makeTerms()),
      await good(),
      await world.authorize(
        payer,
        await world.makeTerms({ token: await hostileToken(hostileMode.revertSilently) }),
      ),
    ];
    const [, unsigned, poor] = executions as [PaymentExecution, PaymentExecution, PaymentExecution];
    const call = world.executePaymentsCall(executions);
    const results = await simulateBatch(world, call);
    expect(results).to.deep.equal([
      succeeded,
      failed('InvalidAuthorization', [idOf(unsigned), payer.address]),
      failed('ERC20InsufficientBalance', [pauper.address, 0n, poor.terms.amount]),
      succeeded,
      { success: false, reason: undefined },
    ]);
    const receipt = await world.send(call);
    expect(rejectedEvents(world, receipt).map((event) => event.reason)).to.deep.equal(
      results.filter((result) => !result.success).map((result) => result.reason),
    );
    expect(processedEvents(world, receipt)).to.have.length(2);
  });

  it('pays an item that is in the batch twice once', async () => {
    const twice = await good();
    const receipt = await world.send(world.executePaymentsCall([twice, twice]));
    expect(processedEvents(world, receipt)).to.have.length(1);
    expect(rejectedEvents(world, receipt)).to.deep.equal([
      {
        paymentId: idOf(twice),
        reason: { errorName: 'PaymentAlreadyProcessed', args: [idOf(twice), secondPayer.address] },
      },
    ]);
    expect(await world.balanceOf(world.merchant)).to.equal(twice.terms.amount);
  });

  it('rejects only the item whose payer has too little, and leaves it payable', async () => {
    const bad = await world.authorize(pauper, await world.makeTerms());
    await expectOnlyRejected(bad, {
      errorName: 'ERC20InsufficientBalance',
      args: [pauper.address, 0n, bad.terms.amount],
    });
    expect(await world.isProcessed(bad.terms)).to.equal(false);

    await world.mint(pauper.address);
    const receipt = await world.send(world.executePaymentsCall([bad]));
    expect(processedEvents(world, receipt).map((event) => event.paymentId)).to.deep.equal([
      idOf(bad),
    ]);
  });

  it('rejects only the item with unsound terms', async () => {
    const bad = await world.authorize(payer, await world.makeTerms({ amount: 0n }));
    await expectOnlyRejected(bad, { errorName: 'InvalidAmount', args: [0n] });
  });

  it('rejects only the item whose token reverts, with its reason', async () => {
    const token = await hostileToken(hostileMode.revertWithReason);
    const bad = await world.authorize(payer, await world.makeTerms({ token }));
    await expectOnlyRejected(bad, {
      errorName: 'HostileRefusal',
      args: [payer.address, bad.terms.amount],
    });
  });

  it('rejects only the item whose token reverts without a reason', async () => {
    const token = await hostileToken(hostileMode.revertSilently);
    await expectOnlyRejected(
      await world.authorize(payer, await world.makeTerms({ token })),
      undefined,
    );
  });

  it('rejects only the item whose token returns false, and undoes what it moved', async () => {
    for (const mode of [hostileMode.returnFalse, hostileMode.returnFalseAfterMoving]) {
      const token = await hostileToken(mode);
      const bad = await world.authorize(payer, await world.makeTerms({ token }));
      await expectOnlyRejected(bad, { errorName: 'SafeERC20FailedOperation', args: [token] });
      expect(await world.balanceOf(payer.address, token)).to.equal(FUNDS);
      expect(await world.isProcessed(bad.terms)).to.equal(false);
    }
  });

  it('rejects only the item whose token burns all its gas, at a bounded cost', async () => {
    const token = await hostileToken(hostileMode.burnGas);
    const receipt = await expectOnlyRejected(
      await world.authorize(payer, await world.makeTerms({ token })),
      undefined,
    );
    expect(receipt.gasUsed < 700_000n).to.equal(true);
  });

  it('rejects only the item whose token reverts with an enormous reason, and logs its beginning only', async () => {
    const token = await hostileToken(hostileMode.revertBomb);
    const executions = [
      await good(),
      await world.authorize(payer, await world.makeTerms({ token })),
      await good(),
    ];
    const call = world.executePaymentsCall(executions);
    const results = await simulateRawBatch(world, call);
    expect(results.map(({ success, reason }) => [success, (reason.length - 2) / 2])).to.deep.equal([
      [true, 0],
      [false, 256],
      [true, 0],
    ]);
    const receipt = await world.send(call);
    expect(processedEvents(world, receipt)).to.have.length(2);
    const reasons = ofGateway(world, receipt).filter((log) => log.topics.length === 2);
    expect(reasons).to.have.length(1);
    // An offset, a length, and 256 bytes.
    expect(((reasons[0]?.data ?? '0x').length - 2) / 2).to.equal(64 + 256);
  });

  it('pays in a token that returns an enormous answer, which is not copied', async () => {
    const token = await hostileToken(hostileMode.returnBomb);
    const odd = await world.authorize(payer, await world.makeTerms({ token }));
    const receipt = await world.send(world.executePaymentsCall([await good(), odd, await good()]));
    expect(processedEvents(world, receipt)).to.have.length(3);
    expect(await world.balanceOf(world.merchant, token)).to.equal(odd.terms.amount);
  });

  it('rejects only the item whose permit burns or bombs, however much gas that takes', async () => {
    const burning = await hostileToken(hostileMode.permitBurnsGas);
    const permit = await world.signPermit({ owner: payer, spender: world.gateway });
    await expectOnlyRejected(
      await world.authorize(payer, await world.makeTerms({ token: burning }), { permit }),
      undefined,
    );

    // A bomb of a permit is not copied, so there is gas left to pay.
    const bombing = await hostileToken(hostileMode.permitBomb);
    const paid = await world.authorize(payer, await world.makeTerms({ token: bombing }), {
      permit,
    });
    const receipt = await world.send(world.executePaymentsCall([paid]));
    expect(processedEvents(world, receipt)).to.have.length(1);
  });

  it('rejects only the item whose wallet burns all its gas over the signature', async () => {
    const wallet = await world.deploy(testWalletAbi, testWalletBytecode, [stranger.address]);
    const data = encodeFunctionData({
      abi: testWalletAbi,
      functionName: 'setMode',
      args: [walletMode.burnGas],
    });
    await world.send({ from: stranger.address, to: wallet, data });
    const bad = await world.authorize(stranger, await world.makeTerms(), { payer: wallet });
    await expectOnlyRejected(bad, { errorName: 'InvalidAuthorization', args: [idOf(bad), wallet] });
  });

  it('survives a batch in which most items are hostile, each in another way', async () => {
    const executions: PaymentExecution[] = [];
    const honest: PaymentExecution[] = [];
    const modes = [
      hostileMode.burnGas,
      hostileMode.revertBomb,
      hostileMode.returnFalse,
      hostileMode.revertSilently,
      hostileMode.burnGas,
      hostileMode.revertWithReason,
    ];
    for (const mode of modes) {
      const token = await hostileToken(mode);
      executions.push(await world.authorize(payer, await world.makeTerms({ token })));
      const execution = await good();
      executions.push(execution);
      honest.push(execution);
    }
    const receipt = await world.send(world.executePaymentsCall(executions));
    expect(ofGateway(world, receipt).filter((log) => log.topics.length === 2)).to.have.length(
      modes.length,
    );
    expect(processedEvents(world, receipt).map((event) => event.paymentId)).to.deep.equal(
      honest.map(idOf),
    );
  });

  it('reverts as a whole rather than reject an item for too little gas, whatever the gas limit', async () => {
    const executions = [await good(), await good(), await good()];
    const call = world.executePaymentsCall(executions);
    const enough = await world.client.estimateGas({
      account: call.from,
      to: call.to,
      data: call.data,
    });
    let reverted = 0;
    for (let gas = 60_000n; gas < enough; gas += 30_000n) {
      const snapshot = await world.client.snapshot();
      const receipt = await world.send({ ...call, gas });
      expect(rejectedEvents(world, receipt), `gas ${String(gas)}`).to.deep.equal([]);
      expect(processedEvents(world, receipt), `gas ${String(gas)}`).to.have.length(
        receipt.status === 'success' ? 3 : 0,
      );
      if (receipt.status === 'reverted') reverted += 1;
      await world.client.revert({ id: snapshot });
    }
    expect(reverted).to.be.greaterThan(5);
    expect(processedEvents(world, await world.send({ ...call, gas: enough }))).to.have.length(3);
  });

  it('says which item it had too little gas for', async () => {
    const call = world.executePaymentsCall([await good(), await good()]);
    const { errorName, args } = await findRevert(world, { ...call, gas: 440_000n });
    expect(errorName).to.equal('BatchGasTooLow');
    expect(args[0]).to.equal(0n);
    const cap = await world.client.readContract({
      address: world.gateway,
      abi: paymentGatewayAbi,
      functionName: 'BATCH_ITEM_GAS',
    });
    expect(args[2]).to.equal(cap + cap / 63n + 20_000n);
    expect((args[1] as bigint) < (args[2] as bigint)).to.equal(true);

    const second = await findRevert(world, { ...call, gas: 500_000n });
    expect(second.errorName).to.equal('BatchGasTooLow');
    expect(second.args[0]).to.equal(1n);
  });

  it('keeps its inner call to itself', async () => {
    const execution = await good();
    const data = encodeFunctionData({
      abi: paymentGatewayAbi,
      functionName: 'executeBatchItem',
      args: [execution],
    });
    await expectRevert(world, { from: stranger.address, to: world.gateway, data }, 'OnlySelf', [
      stranger.address,
    ]);
    const request = await world.signForwardRequest(payer, data);
    const receipt = await world.send({ ...world.forwardCall(request), gas: 1_000_000n });
    expect(receipt.status).to.equal('reverted');
    expect(await world.isProcessed(execution.terms)).to.equal(false);
  });

  it('pays in a batch of 50 from 50 payers', async () => {
    const payers = Array.from({ length: 50 }, (_, index) => accountAt(20 + index));
    for (const { address } of payers) {
      await world.mint(address);
      await world.approve(address);
    }
    const executions = await Promise.all(
      payers.map(async (account) => world.authorize(account, await world.makeTerms())),
    );
    const receipt = await world.send(world.executePaymentsCall(executions));
    expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal(
      payers.map((account) => account.address),
    );
  });
});
