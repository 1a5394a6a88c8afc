import { expect } from 'chai';
import { encodeFunctionData, type Hex } from 'viem';
import { hostileTokenAbi } from '../../contracts/generated/test/HostileToken.ts';
import { accountAt, FUNDS, type Call } from '../../dev/contracts/createWorkbench.ts';
import {
  decodeError,
  expectRevert,
  hostileMode,
  payer,
  processedEvents,
  refundedEvents,
  secondPayer,
  stranger,
  useContracts,
} from './support.ts';

describe('PaymentGateway with a token that misbehaves', () => {
  const world = useContracts();

  const setMode = (mode: number) =>
    world.send({
      from: stranger.address,
      to: world.hostile,
      data: encodeFunctionData({ abi: hostileTokenAbi, functionName: 'setMode', args: [mode] }),
    });
  const callFromInside = (target: Hex, data: Hex) =>
    world.send({
      from: stranger.address,
      to: world.hostile,
      data: encodeFunctionData({
        abi: hostileTokenAbi,
        functionName: 'setReentry',
        args: [target, data],
      }),
    });
  const readHostile = (functionName: 'reentryTried' | 'reentrySucceeded' | 'reentryAnswer') =>
    world.client.readContract({ address: world.hostile, abi: hostileTokenAbi, functionName });
  const hostileTerms = () => world.makeTerms({ token: world.hostile });

  for (const way of [
    'pay',
    'executePayment',
    'executePayments',
    'executeRefund',
    'executeRefunds',
  ] as const) {
    it(`lets nothing in while ${way} runs: every function that moves tokens refuses to be re-entered`, async () => {
      const merchant = accountAt(2);
      await world.approve(merchant.address);
      await world.approve(merchant.address, FUNDS, world.hostile);
      const paid = await world.makeTerms();
      await world.send(world.payCall(payer.address, paid));
      const refund = await world.authorizeRefund(merchant, paid);
      const other = await world.makeTerms();
      const permit = await world.signPermit({ owner: payer, spender: world.gateway });
      const execution = await world.authorize(secondPayer, other);
      const inner: Call[] = [
        world.payCall(stranger.address, other),
        world.payWithPermitCall(stranger.address, other, permit),
        world.executePaymentCall(execution),
        world.executePaymentsCall([execution]),
        world.executeRefundCall(refund),
        world.executeRefundsCall([refund]),
      ];
      const isRefund = way === 'executeRefund' || way === 'executeRefunds';
      for (const { to, data } of inner) {
        const terms = await hostileTerms();
        await setMode(hostileMode.honest);
        if (isRefund) await world.send(world.payCall(payer.address, terms));
        await callFromInside(to, data);
        const refunding = await world.authorizeRefund(merchant, terms);
        const authorized = await world.authorize(payer, terms);
        const outer = {
          pay: world.payCall(payer.address, terms),
          executePayment: world.executePaymentCall(authorized),
          executePayments: world.executePaymentsCall([authorized]),
          executeRefund: world.executeRefundCall(refunding),
          executeRefunds: world.executeRefundsCall([refunding]),
        }[way];
        const receipt = await world.send(outer);
        const events = isRefund ? refundedEvents(world, receipt) : processedEvents(world, receipt);
        expect(events.map((event) => event.paymentId)).to.deep.equal([world.paymentIdOf(terms)]);
        expect(await readHostile('reentryTried')).to.equal(true);
        expect(await readHostile('reentrySucceeded')).to.equal(false);
        expect(decodeError((await readHostile('reentryAnswer')) as Hex)).to.deep.equal({
          errorName: 'ReentrancyGuardReentrantCall',
          args: [],
        });
        expect(await world.isProcessed(other)).to.equal(false);
        expect(await world.refundedAmount(paid)).to.equal(0n);
      }
    });
  }

  it('cannot be re-entered for the payment that is being made', async () => {
    const terms = await hostileTerms();
    const { to, data } = world.executePaymentCall(await world.authorize(payer, terms));
    await callFromInside(to, data);
    await world.send(world.payCall(payer.address, terms));
    expect(await readHostile('reentrySucceeded')).to.equal(false);
    expect(await world.balanceOf(world.merchant, world.hostile)).to.equal(terms.amount);
  });

  it('cannot be re-entered for the refund that is being made', async () => {
    const merchant = accountAt(2);
    await world.approve(merchant.address, FUNDS, world.hostile);
    const terms = await hostileTerms();
    await world.send(world.payCall(payer.address, terms));
    const { to, data } = world.executeRefundCall(
      await world.authorizeRefund(merchant, terms, { amount: 1n }),
    );
    await callFromInside(to, data);
    await world.send({ from: stranger.address, to, data });
    expect(await readHostile('reentrySucceeded')).to.equal(false);
    expect(await world.balanceOf(merchant.address, world.hostile)).to.equal(terms.amount - 1n);
    expect(await world.refundedAmount(terms)).to.equal(1n);
  });

  it('has not paid when the token returns false', async () => {
    for (const mode of [hostileMode.returnFalse, hostileMode.returnFalseAfterMoving]) {
      await setMode(mode);
      const terms = await hostileTerms();
      await expectRevert(world, world.payCall(payer.address, terms), 'SafeERC20FailedOperation', [
        world.hostile,
      ]);
      expect(await world.isProcessed(terms)).to.equal(false);
      expect(await world.balanceOf(payer.address, world.hostile)).to.equal(FUNDS);
    }
  });

  it('pays with tokens that return nothing, as some well-known ones do', async () => {
    await setMode(hostileMode.returnNothing);
    const terms = await hostileTerms();
    await world.send(world.payCall(payer.address, terms));
    expect(await world.balanceOf(world.merchant, world.hostile)).to.equal(terms.amount);
    expect(await world.isProcessed(terms)).to.equal(true);
  });

  it("passes on the token's own reason", async () => {
    await setMode(hostileMode.revertWithReason);
    const terms = await hostileTerms();
    await expectRevert(world, world.payCall(payer.address, terms), 'HostileRefusal', [
      payer.address,
      terms.amount,
    ]);
  });

  it("believes the token: what it keeps for itself is the merchant's loss, so servers list the tokens they accept", async () => {
    await setMode(hostileMode.takeFee);
    const withFee = await hostileTerms();
    await world.send(world.payCall(payer.address, withFee));
    expect(await world.isProcessed(withFee)).to.equal(true);
    expect(await world.balanceOf(world.merchant, world.hostile)).to.equal(
      withFee.amount - withFee.amount / 100n,
    );

    await setMode(hostileMode.returnTrueWithoutMoving);
    const nothing = await hostileTerms();
    await world.send(world.payCall(payer.address, nothing));
    expect(await world.isProcessed(nothing)).to.equal(true);
    expect(await world.balanceOf(payer.address, world.hostile)).to.equal(FUNDS - withFee.amount);
  });
});
