import { expect } from 'chai';
import fc from 'fast-check';
import { encodeFunctionData, maxUint256, parseEventLogs, zeroAddress, type Hex } from 'viem';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import { hostileTokenAbi } from '../../contracts/generated/test/HostileToken.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import { accountAt, FUNDS } from '../../dev/contracts/createWorkbench.ts';
import {
  expectRevert,
  findRevert,
  hostileMode,
  payer,
  refundedEvents,
  secondPayer,
  sendAt,
  stranger,
  travelTo,
  useContracts,
} from './support.ts';
import { walletMode } from '../support/walletMode.ts';

describe('PaymentGateway.executeRefund', () => {
  const world = useContracts();
  const merchant = accountAt(2);
  /**
   * A payment that `payer` made. The merchant has its tokens, but has allowed the gateway nothing.
   */
  async function paidTerms(changes: Parameters<typeof world.makeTerms>[0] = {}) {
    const terms = await world.makeTerms(changes);
    await world.send(world.payCall(payer.address, terms));
    return terms;
  }
  const approveAsMerchant = () => world.approve(merchant.address);
  const setHostile = (data: Hex) => world.send({ from: stranger.address, to: world.hostile, data });
  const setMode = (mode: number) =>
    setHostile(encodeFunctionData({ abi: hostileTokenAbi, functionName: 'setMode', args: [mode] }));

  it('lets anyone bring a signed refund to the chain, from the merchant to the payer', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    const execution = await world.authorizeRefund(merchant, terms, { amount: 400_000n, nonce: 7n });
    const receipt = await world.send({
      ...world.executeRefundCall(execution),
      from: stranger.address,
    });
    expect(refundedEvents(world, receipt)).to.deep.equal([
      {
        paymentId: world.paymentIdOf(terms),
        merchant: merchant.address,
        payer: payer.address,
        token: terms.token,
        amount: 400_000n,
        nonce: 7n,
      },
    ]);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS - 600_000n);
    expect(await world.balanceOf(merchant.address)).to.equal(600_000n);
    expect(await world.refundedAmount(terms)).to.equal(400_000n);
    expect(await world.isRefundNonceUsed(terms, 7n)).to.equal(true);
    expect(await world.isRefundNonceUsed(terms, 8n)).to.equal(false);
  });

  it('pays back whoever paid, on every way of paying', async () => {
    await approveAsMerchant();
    const forwarded = await world.makeTerms();
    await world.send(
      world.forwardCall(await world.signForwardRequest(secondPayer, world.payData(forwarded))),
    );
    const authorized = await world.makeTerms();
    await world.send(world.executePaymentCall(await world.authorize(secondPayer, authorized)));
    for (const terms of [forwarded, authorized])
      await world.send(world.executeRefundCall(await world.authorizeRefund(merchant, terms)));
    expect(await world.balanceOf(secondPayer.address)).to.equal(FUNDS);
    expect(await world.balanceOf(merchant.address)).to.equal(0n);
  });

  it('stays possible after the payment has expired', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    await travelTo(world, terms.expiresAt + 365 * 86_400);
    await world.send(world.executeRefundCall(await world.authorizeRefund(merchant, terms)));
    expect(await world.refundedAmount(terms)).to.equal(terms.amount);
  });

  it('leaves the payment made: it cannot be paid again after a refund', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    await world.send(world.executeRefundCall(await world.authorizeRefund(merchant, terms)));
    await expectRevert(world, world.payCall(payer.address, terms), 'PaymentAlreadyProcessed', [
      world.paymentIdOf(terms),
      payer.address,
    ]);
    expect(await world.payerOf(terms)).to.equal(payer.address);
  });

  it('applies a permit, so that a merchant without an allowance only signs', async () => {
    const terms = await paidTerms();
    await expectRevert(
      world,
      world.executeRefundCall(await world.authorizeRefund(merchant, terms)),
      'ERC20InsufficientAllowance',
      [world.gateway, 0n, terms.amount],
    );
    const permit = await world.signPermit({
      owner: merchant,
      spender: world.gateway,
      value: terms.amount,
    });
    await world.send(
      world.executeRefundCall(await world.authorizeRefund(merchant, terms, { permit })),
    );
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS);
  });

  it('executes all the same when somebody applied the permit first', async () => {
    const terms = await paidTerms();
    const permit = await world.signPermit({
      owner: merchant,
      spender: world.gateway,
      value: terms.amount,
    });
    expect(
      (await world.send(world.permitCall(merchant.address, world.gateway, permit))).status,
    ).to.equal('success');
    await world.send(
      world.executeRefundCall(await world.authorizeRefund(merchant, terms, { permit })),
    );
    expect(await world.refundedAmount(terms)).to.equal(terms.amount);
  });

  it("passes on the token's reason when the merchant has too little", async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    const data = encodeFunctionData({
      abi: testTokenAbi,
      functionName: 'transfer',
      args: [stranger.address, 1n],
    });
    await world.send({ from: merchant.address, to: world.token, data });
    const call = world.executeRefundCall(await world.authorizeRefund(merchant, terms));
    await expectRevert(world, call, 'ERC20InsufficientBalance', [
      merchant.address,
      terms.amount - 1n,
      terms.amount,
    ]);
    expect(await world.refundedAmount(terms)).to.equal(0n);
  });

  it('executes a signature once only', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    const call = world.executeRefundCall(
      await world.authorizeRefund(merchant, terms, { amount: 1n, nonce: 3n }),
    );
    await world.send(call);
    await expectRevert(world, call, 'RefundNonceUsed', [world.paymentIdOf(terms), 3n]);
    expect(await world.refundedAmount(terms)).to.equal(1n);
  });

  it('runs refunds of one payment in any order, whatever their nonces', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    const nonces = [maxUint256, 0n, 1n << 255n, 1n];
    const executions = await Promise.all(
      nonces.map((nonce) => world.authorizeRefund(merchant, terms, { amount: 10n, nonce })),
    );
    for (const execution of executions.reverse())
      await world.send(world.executeRefundCall(execution));
    for (const nonce of nonces) expect(await world.isRefundNonceUsed(terms, nonce)).to.equal(true);
    expect(await world.refundedAmount(terms)).to.equal(40n);
  });

  it('takes a nonce that another payment has used: nonces belong to payments', async () => {
    await approveAsMerchant();
    for (const terms of [await paidTerms(), await paidTerms()]) {
      const execution = await world.authorizeRefund(merchant, terms, { nonce: 1n });
      expect((await world.send(world.executeRefundCall(execution))).status).to.equal('success');
    }
  });

  it('never pays back more than was paid', async () => {
    await approveAsMerchant();
    await world.mint(merchant.address);
    const terms = await paidTerms();
    const id = world.paymentIdOf(terms);
    const attempt = async (amount: bigint) =>
      world.executeRefundCall(await world.authorizeRefund(merchant, terms, { amount }));
    await expectRevert(world, await attempt(terms.amount + 1n), 'RefundExceedsPayment', [
      id,
      terms.amount + 1n,
      0n,
      terms.amount,
    ]);
    await world.send(await attempt(terms.amount - 10n));
    for (const amount of [11n, terms.amount, maxUint256, maxUint256 - terms.amount + 11n]) {
      await expectRevert(world, await attempt(amount), 'RefundExceedsPayment', [
        id,
        amount,
        terms.amount - 10n,
        terms.amount,
      ]);
    }
    await world.send(await attempt(10n));
    await expectRevert(world, await attempt(1n), 'RefundExceedsPayment', [
      id,
      1n,
      terms.amount,
      terms.amount,
    ]);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS);
  });

  it('keeps its sums for any refunds of any amounts', async () => {
    await approveAsMerchant();
    await world.mint(merchant.address);
    const paid = 1_000n;
    const amounts = fc.array(
      fc.oneof(fc.bigInt({ min: 0n, max: 600n }), fc.bigInt({ min: 0n, max: maxUint256 })),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(amounts, async (requested) => {
        const terms = await paidTerms({ amount: paid });
        const before = await world.balanceOf(payer.address);
        let refunded = 0n;
        for (const amount of requested) {
          const execution = await world.authorizeRefund(merchant, terms, { amount });
          const isFine = amount > 0n && refunded + amount <= paid;
          const receipt = await world.send({
            ...world.executeRefundCall(execution),
            gas: 500_000n,
          });
          expect(receipt.status).to.equal(isFine ? 'success' : 'reverted');
          if (isFine) refunded += amount;
          expect(await world.isRefundNonceUsed(terms, execution.nonce)).to.equal(isFine);
        }
        expect(await world.refundedAmount(terms)).to.equal(refunded);
        expect(await world.balanceOf(payer.address)).to.equal(before + refunded);
      }),
      { numRuns: 15 },
    );
  });

  it('refuses a refund of nothing', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    await expectRevert(
      world,
      world.executeRefundCall(await world.authorizeRefund(merchant, terms, { amount: 0n })),
      'InvalidAmount',
      [0n],
    );
  });

  it('refuses a refund of what was not paid', async () => {
    await approveAsMerchant();
    await world.mint(merchant.address);
    const terms = await world.makeTerms();
    const call = world.executeRefundCall(await world.authorizeRefund(merchant, terms));
    await expectRevert(world, call, 'PaymentNotProcessed', [world.paymentIdOf(terms)]);
  });

  it('knows only the very terms that were paid: a changed term makes an id that nobody paid', async () => {
    await approveAsMerchant();
    await world.mint(merchant.address);
    const paid = await paidTerms();
    const execution = await world.authorizeRefund(merchant, paid);
    for (const change of [
      { amount: paid.amount + 1n },
      { merchant: stranger.address },
      { token: world.hostile },
      { expiresAt: paid.expiresAt + 1 },
      { salt: `0x${'11'.repeat(32)}` as const },
    ]) {
      const terms = { ...paid, ...change };
      const id = world.paymentIdOf(terms);
      await expectRevert(
        world,
        world.executeRefundCall({ ...execution, terms }),
        'PaymentNotProcessed',
        [id],
      );
      await expectRevert(
        world,
        world.executeRefundCall(await world.authorizeRefund(merchant, terms)),
        'PaymentNotProcessed',
        [id],
      );
    }
  });

  it('refuses a signature of anybody but the merchant', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    for (const signer of [payer, stranger]) {
      const call = world.executeRefundCall(
        await world.authorizeRefund(signer, terms, { nonce: 5n }),
      );
      await expectRevert(world, call, 'InvalidRefundAuthorization', [
        world.paymentIdOf(terms),
        5n,
        merchant.address,
      ]);
    }
  });

  it('refuses a signature that was given for another payment, amount, nonce or deadline', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    const other = await paidTerms();
    const signed = await world.authorizeRefund(merchant, terms, { amount: 5n, nonce: 1n });
    for (const change of [
      { terms: other },
      { amount: 6n },
      { nonce: 2n },
      { deadline: signed.deadline + 1 },
    ]) {
      const execution = { ...signed, ...change };
      const args = [world.paymentIdOf(execution.terms), execution.nonce, merchant.address];
      await expectRevert(
        world,
        world.executeRefundCall(execution),
        'InvalidRefundAuthorization',
        args,
      );
    }
  });

  it('refuses what is no signature at all', async () => {
    await approveAsMerchant();
    const execution = await world.authorizeRefund(merchant, await paidTerms(), { nonce: 1n });
    const args = [world.paymentIdOf(execution.terms), 1n, merchant.address];
    for (const signature of [
      '0x',
      '0x00',
      `0x${'00'.repeat(65)}`,
      `${execution.signature}00`,
    ] as const) {
      await expectRevert(
        world,
        world.executeRefundCall({ ...execution, signature }),
        'InvalidRefundAuthorization',
        args,
      );
    }
  });

  it("does not take a merchant's authorisation of a payment for one of a refund", async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    const { signature, deadline } = await world.authorize(merchant, terms);
    const execution = {
      ...(await world.authorizeRefund(merchant, terms, { nonce: 1n, deadline })),
      signature,
    };
    await expectRevert(world, world.executeRefundCall(execution), 'InvalidRefundAuthorization', [
      world.paymentIdOf(terms),
      1n,
      merchant.address,
    ]);
  });

  it('accepts a signature in the second of its deadline and not in the next', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    const deadline = (await world.now()) + 600;
    const attempt = async (nonce: bigint) =>
      world.executeRefundCall(
        await world.authorizeRefund(merchant, terms, { amount: 1n, nonce, deadline }),
      );
    const inTime = await attempt(1n);
    const late = await attempt(2n);
    expect((await sendAt(world, deadline, inTime)).status).to.equal('success');
    expect((await sendAt(world, deadline + 1, late)).status).to.equal('reverted');
    expect(await findRevert(world, late)).to.deep.equal({
      errorName: 'RefundExpired',
      args: [world.paymentIdOf(terms), 2n, deadline, BigInt(await world.now())],
    });
  });

  it('does not care who calls, not even through the forwarder', async () => {
    await approveAsMerchant();
    const terms = await paidTerms();
    const { data } = world.executeRefundCall(
      await world.authorizeRefund(stranger, terms, { nonce: 1n }),
    );
    const inner = {
      from: world.forwarder,
      to: world.gateway,
      data: `${data}${merchant.address.slice(2)}` as const,
    };
    await expectRevert(world, { ...inner, from: merchant.address }, 'InvalidRefundAuthorization', [
      world.paymentIdOf(terms),
      1n,
      merchant.address,
    ]);
    expect((await findRevert(world, inner)).errorName).to.equal('InvalidRefundAuthorization');
    const signed = world.executeRefundCall(await world.authorizeRefund(merchant, terms));
    await world.send(world.forwardCall(await world.signForwardRequest(secondPayer, signed.data)));
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS);
  });

  it('takes the zero address for nobody, whose signature no failed recovery can be', async () => {
    const terms = await world.makeTerms({ merchant: zeroAddress });
    const execution = {
      ...(await world.authorizeRefund(merchant, terms)),
      signature: `0x${'00'.repeat(65)}` as const,
    };
    await expectRevert(world, world.executeRefundCall(execution), 'PaymentNotProcessed', [
      world.paymentIdOf(terms),
    ]);
  });

  describe('for a merchant that is a contract (ERC-1271)', () => {
    async function makeWallet() {
      const wallet = await world.deploy(testWalletAbi, testWalletBytecode, [stranger.address]);
      const approval = encodeFunctionData({
        abi: testTokenAbi,
        functionName: 'approve',
        args: [world.gateway, FUNDS],
      });
      const data = encodeFunctionData({
        abi: testWalletAbi,
        functionName: 'perform',
        args: [world.token, approval],
      });
      await world.send({ from: stranger.address, to: wallet, data });
      return wallet;
    }

    it('pays back when the contract accepts the signature, and not when it does not', async () => {
      const wallet = await makeWallet();
      const terms = await paidTerms({ merchant: wallet });
      const args = [world.paymentIdOf(terms), 1n, wallet];
      const bySomebodyElse = await world.authorizeRefund(payer, terms, { nonce: 1n });
      await expectRevert(
        world,
        world.executeRefundCall(bySomebodyElse),
        'InvalidRefundAuthorization',
        args,
      );
      const call = world.executeRefundCall(
        await world.authorizeRefund(stranger, terms, { nonce: 1n }),
      );
      for (const mode of [
        walletMode.refuseAll,
        walletMode.revert,
        walletMode.burnGas,
        walletMode.askOwner,
      ]) {
        const data = encodeFunctionData({
          abi: testWalletAbi,
          functionName: 'setMode',
          args: [mode],
        });
        await world.send({ from: stranger.address, to: wallet, data });
        if (mode !== walletMode.askOwner)
          await expectRevert(world, call, 'InvalidRefundAuthorization', args);
      }
      await world.send(call);
      expect(await world.balanceOf(payer.address)).to.equal(FUNDS);
    });
  });

  describe('with a token that misbehaves', () => {
    async function hostilePayment() {
      const terms = await paidTerms({ token: world.hostile });
      await world.approve(merchant.address, FUNDS, world.hostile);
      return terms;
    }

    it('has refunded nothing when the token refuses, one way or another', async () => {
      const terms = await hostilePayment();
      const call = world.executeRefundCall(
        await world.authorizeRefund(merchant, terms, { nonce: 1n }),
      );
      await setMode(hostileMode.revertWithReason);
      await expectRevert(world, call, 'HostileRefusal', [merchant.address, terms.amount]);
      for (const mode of [hostileMode.returnFalse, hostileMode.returnFalseAfterMoving]) {
        await setMode(mode);
        await expectRevert(world, call, 'SafeERC20FailedOperation', [world.hostile]);
      }
      expect(await world.refundedAmount(terms)).to.equal(0n);
      expect(await world.isRefundNonceUsed(terms, 1n)).to.equal(false);
      expect(await world.balanceOf(merchant.address, world.hostile)).to.equal(terms.amount);
    });

    it('refunds with tokens that return nothing', async () => {
      const terms = await hostilePayment();
      await setMode(hostileMode.returnNothing);
      await world.send(world.executeRefundCall(await world.authorizeRefund(merchant, terms)));
      expect(await world.balanceOf(payer.address, world.hostile)).to.equal(FUNDS);
    });

    it('ignores a permit that fails with an enormous reason', async () => {
      const terms = await hostilePayment();
      await setMode(hostileMode.permitBomb);
      const permit = await world.signPermit({ owner: merchant, spender: world.gateway });
      const receipt = await world.send(
        world.executeRefundCall(await world.authorizeRefund(merchant, terms, { permit })),
      );
      expect(
        parseEventLogs({
          abi: paymentGatewayAbi,
          eventName: 'RefundProcessed',
          logs: receipt.logs,
        }),
      ).to.have.length(1);
    });
  });
});
