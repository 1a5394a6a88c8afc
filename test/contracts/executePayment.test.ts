import { expect } from 'chai';
import { encodeFunctionData, zeroAddress } from 'viem';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { FUNDS } from '../../dev/contracts/createWorkbench.ts';
import {
  expectRevert,
  findRevert,
  newcomer,
  pauper,
  payer,
  processedEvents,
  secondPayer,
  sendAt,
  stranger,
  useContracts,
} from './support.ts';
import { walletMode } from '../support/walletMode.ts';

describe('PaymentGateway.executePayment', () => {
  const world = useContracts();

  it('lets anyone bring a signed payment to the chain, with the tokens of its signer', async () => {
    const terms = await world.makeTerms();
    const execution = await world.authorize(payer, terms);
    const receipt = await world.send({
      ...world.executePaymentCall(execution),
      from: stranger.address,
    });
    expect(processedEvents(world, receipt)).to.deep.equal([
      {
        paymentId: world.paymentIdOf(terms),
        payer: payer.address,
        merchant: terms.merchant,
        token: terms.token,
        amount: terms.amount,
      },
    ]);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS - terms.amount);
    expect(await world.balanceOf(world.merchant)).to.equal(terms.amount);
    expect(await world.payerOf(terms)).to.equal(payer.address);
  });

  it('executes a signature once only', async () => {
    const terms = await world.makeTerms();
    const call = world.executePaymentCall(await world.authorize(payer, terms));
    await world.send(call);
    await expectRevert(world, call, 'PaymentAlreadyProcessed', [
      world.paymentIdOf(terms),
      payer.address,
    ]);
    expect(await world.balanceOf(world.merchant)).to.equal(terms.amount);
  });

  it('does not take from a payer again who has paid directly meanwhile', async () => {
    const terms = await world.makeTerms();
    const execution = await world.authorize(payer, terms);
    await world.send(world.payCall(payer.address, terms));
    await expectRevert(world, world.executePaymentCall(execution), 'PaymentAlreadyProcessed', [
      world.paymentIdOf(terms),
      payer.address,
    ]);
  });

  it('runs signatures of one payer in any order: the payment id is the nonce', async () => {
    const first = await world.makeTerms();
    const second = await world.makeTerms();
    const executions = [await world.authorize(payer, first), await world.authorize(payer, second)];
    for (const execution of executions.reverse())
      await world.send(world.executePaymentCall(execution));
    expect(await world.isProcessed(first)).to.equal(true);
    expect(await world.isProcessed(second)).to.equal(true);
  });

  it('applies a permit, so that a payer without an allowance only signs', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      value: terms.amount,
    });
    await world.send(world.executePaymentCall(await world.authorize(newcomer, terms, { permit })));
    expect(await world.payerOf(terms)).to.equal(newcomer.address);
  });

  it('executes all the same when somebody applied the permit first', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      value: terms.amount,
    });
    await world.send(world.permitCall(newcomer.address, world.gateway, permit));
    await world.send(world.executePaymentCall(await world.authorize(newcomer, terms, { permit })));
    expect(await world.payerOf(terms)).to.equal(newcomer.address);
  });

  it('fails for the missing allowance without a permit or with a wrong one', async () => {
    const terms = await world.makeTerms();
    const args = [world.gateway, 0n, terms.amount];
    const wrong = await world.signPermit({ owner: secondPayer, spender: world.gateway });
    await expectRevert(
      world,
      world.executePaymentCall(await world.authorize(newcomer, terms)),
      'ERC20InsufficientAllowance',
      args,
    );
    const withWrongPermit = await world.authorize(newcomer, terms, { permit: wrong });
    await expectRevert(
      world,
      world.executePaymentCall(withWrongPermit),
      'ERC20InsufficientAllowance',
      args,
    );
  });

  it("passes on the token's reason when the balance is too low", async () => {
    const terms = await world.makeTerms();
    const execution = await world.authorize(pauper, terms);
    await expectRevert(world, world.executePaymentCall(execution), 'ERC20InsufficientBalance', [
      pauper.address,
      0n,
      terms.amount,
    ]);
  });

  it('refuses a signature of somebody who is not the payer', async () => {
    const terms = await world.makeTerms();
    const execution = await world.authorize(stranger, terms, { payer: payer.address });
    await expectRevert(world, world.executePaymentCall(execution), 'InvalidAuthorization', [
      world.paymentIdOf(terms),
      payer.address,
    ]);
  });

  it('refuses a signature that was given for other terms', async () => {
    const signed = await world.authorize(payer, await world.makeTerms());
    for (const change of [
      { amount: signed.terms.amount + 1n },
      { merchant: stranger.address },
      { token: world.hostile },
    ]) {
      const terms = { ...signed.terms, ...change };
      await expectRevert(
        world,
        world.executePaymentCall({ ...signed, terms }),
        'InvalidAuthorization',
        [world.paymentIdOf(terms), payer.address],
      );
    }
  });

  it('refuses a signature whose deadline was moved', async () => {
    const execution = await world.authorize(payer, await world.makeTerms());
    const moved = { ...execution, deadline: execution.deadline + 1 };
    await expectRevert(world, world.executePaymentCall(moved), 'InvalidAuthorization', [
      world.paymentIdOf(execution.terms),
      payer.address,
    ]);
  });

  it('refuses what is no signature at all', async () => {
    const execution = await world.authorize(payer, await world.makeTerms());
    const args = [world.paymentIdOf(execution.terms), payer.address];
    for (const signature of [
      '0x',
      '0x00',
      `0x${'00'.repeat(65)}`,
      `${execution.signature}00`,
      execution.signature.slice(0, -2),
    ] as const) {
      const call = world.executePaymentCall({
        ...execution,
        signature: signature as `0x${string}`,
      });
      await expectRevert(world, call, 'InvalidAuthorization', args);
    }
  });

  it('refuses the second form of a signature (high s), so that each has one form only', async () => {
    const execution = await world.authorize(payer, await world.makeTerms());
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const r = execution.signature.slice(2, 66);
    const s = (order - BigInt(`0x${execution.signature.slice(66, 130)}`))
      .toString(16)
      .padStart(64, '0');
    const v = execution.signature.slice(130) === '1b' ? '1c' : '1b';
    await expectRevert(
      world,
      world.executePaymentCall({ ...execution, signature: `0x${r}${s}${v}` }),
      'InvalidAuthorization',
      [world.paymentIdOf(execution.terms), payer.address],
    );
  });

  it('takes the zero address for nobody, whose signature no failed recovery can be', async () => {
    const execution = await world.authorize(payer, await world.makeTerms());
    const call = world.executePaymentCall({
      ...execution,
      payer: zeroAddress,
      signature: `0x${'00'.repeat(65)}`,
    });
    await expectRevert(world, call, 'InvalidAuthorization', [
      world.paymentIdOf(execution.terms),
      zeroAddress,
    ]);
  });

  it('accepts a signature in the second of its deadline and not in the next', async () => {
    const deadline = (await world.now()) + 600;
    const terms = await world.makeTerms();
    const call = world.executePaymentCall(await world.authorize(payer, terms, { deadline }));
    const otherTerms = await world.makeTerms();
    const otherCall = world.executePaymentCall(
      await world.authorize(payer, otherTerms, { deadline }),
    );
    expect((await sendAt(world, deadline, call)).status).to.equal('success');

    expect((await sendAt(world, deadline + 1, otherCall)).status).to.equal('reverted');
    expect(await findRevert(world, otherCall)).to.deep.equal({
      errorName: 'AuthorizationExpired',
      args: [world.paymentIdOf(otherTerms), deadline, BigInt(await world.now())],
    });
  });

  it('holds to the expiry of the payment even if the signature lasts longer', async () => {
    const terms = await world.makeTerms();
    const call = world.executePaymentCall(
      await world.authorize(payer, terms, { deadline: terms.expiresAt + 3600 }),
    );
    expect((await sendAt(world, terms.expiresAt + 1, call)).status).to.equal('reverted');
    expect(await findRevert(world, call)).to.deep.equal({
      errorName: 'PaymentExpired',
      args: [world.paymentIdOf(terms), terms.expiresAt, BigInt(await world.now())],
    });
  });

  it('checks the terms as pay does, however well they are signed', async () => {
    const attempt = async (changes: Parameters<typeof world.makeTerms>[0]) =>
      world.executePaymentCall(await world.authorize(payer, await world.makeTerms(changes)));
    await expectRevert(world, await attempt({ token: zeroAddress }), 'InvalidToken', [zeroAddress]);
    await expectRevert(world, await attempt({ amount: 0n }), 'InvalidAmount', [0n]);
    await expectRevert(world, await attempt({ merchant: zeroAddress }), 'InvalidMerchant', [
      zeroAddress,
    ]);
    await expectRevert(world, await attempt({ merchant: world.gateway }), 'InvalidMerchant', [
      world.gateway,
    ]);
    await expectRevert(world, await attempt({ merchant: payer.address }), 'PayerIsMerchant', [
      payer.address,
    ]);
    await expectRevert(
      world,
      await attempt({ token: stranger.address }),
      'SafeERC20FailedOperation',
      [stranger.address],
    );
  });

  describe('for a payer that is a contract (ERC-1271)', () => {
    async function makeWallet() {
      const wallet = await world.deploy(testWalletAbi, testWalletBytecode, [stranger.address]);
      await world.mint(wallet);
      const data = encodeFunctionData({
        abi: testTokenAbi,
        functionName: 'approve',
        args: [world.gateway, FUNDS],
      });
      await world.send({
        from: stranger.address,
        to: wallet,
        data: encodeFunctionData({
          abi: testWalletAbi,
          functionName: 'perform',
          args: [world.token, data],
        }),
      });
      return wallet;
    }
    const setMode = async (wallet: `0x${string}`, mode: number) =>
      world.send({
        from: stranger.address,
        to: wallet,
        data: encodeFunctionData({ abi: testWalletAbi, functionName: 'setMode', args: [mode] }),
      });

    it('pays when the contract accepts the signature', async () => {
      const wallet = await makeWallet();
      const terms = await world.makeTerms();
      await world.send(
        world.executePaymentCall(await world.authorize(stranger, terms, { payer: wallet })),
      );
      expect(await world.payerOf(terms)).to.equal(wallet);
      expect(await world.balanceOf(wallet)).to.equal(FUNDS - terms.amount);
    });

    it('refuses when the contract does not accept it, reverts, or burns the gas', async () => {
      const wallet = await makeWallet();
      const terms = await world.makeTerms();
      const args = [world.paymentIdOf(terms), wallet];
      const bySomebodyElse = await world.authorize(payer, terms, { payer: wallet });
      await expectRevert(
        world,
        world.executePaymentCall(bySomebodyElse),
        'InvalidAuthorization',
        args,
      );
      const call = world.executePaymentCall(
        await world.authorize(stranger, terms, { payer: wallet }),
      );
      for (const mode of [walletMode.refuseAll, walletMode.revert, walletMode.burnGas]) {
        await setMode(wallet, mode);
        await expectRevert(world, call, 'InvalidAuthorization', args);
      }
      await setMode(wallet, walletMode.askOwner);
      expect((await world.send(call)).status).to.equal('success');
    });

    it('refuses for a contract that knows nothing of signatures', async () => {
      const terms = await world.makeTerms();
      const execution = await world.authorize(payer, terms, { payer: world.token });
      await expectRevert(world, world.executePaymentCall(execution), 'InvalidAuthorization', [
        world.paymentIdOf(terms),
        world.token,
      ]);
    });

    it('lets an account that delegates its code (EIP-7702) sign as before', async () => {
      await world.client.setCode({
        address: payer.address,
        bytecode: `0xef0100${world.token.slice(2)}`,
      });
      const terms = await world.makeTerms();
      await world.send(world.executePaymentCall(await world.authorize(payer, terms)));
      expect(await world.payerOf(terms)).to.equal(payer.address);
    });
  });
});
