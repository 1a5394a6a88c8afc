import { expect } from 'chai';
import { maxUint256, zeroAddress } from 'viem';
import { FUNDS } from '../../dev/contracts/createWorkbench.ts';
import {
  expectRevert,
  newcomer,
  payer,
  processedEvents,
  secondPayer,
  useContracts,
} from './support.ts';

describe('PaymentGateway.payWithPermit', () => {
  const world = useContracts();

  it('lets a payer without an allowance pay in one transaction', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      value: terms.amount,
    });
    const receipt = await world.send(world.payWithPermitCall(newcomer.address, terms, permit));
    expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal([
      newcomer.address,
    ]);
    expect(await world.balanceOf(world.merchant)).to.equal(terms.amount);
    expect(await world.balanceOf(newcomer.address)).to.equal(FUNDS - terms.amount);
    expect(await world.allowanceOf(newcomer.address)).to.equal(0n);
  });

  it('pays all the same when somebody applied the permit first', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      value: terms.amount,
    });
    const frontRun = await world.send(world.permitCall(newcomer.address, world.gateway, permit));
    expect(frontRun.status).to.equal('success');
    await world.send(world.payWithPermitCall(newcomer.address, terms, permit));
    expect(await world.payerOf(terms)).to.equal(newcomer.address);
  });

  it('ignores a wrong permit when the allowance is there', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({ owner: secondPayer, spender: world.gateway });
    await world.send(world.payWithPermitCall(payer.address, terms, permit));
    expect(await world.payerOf(terms)).to.equal(payer.address);
    expect(await world.allowanceOf(secondPayer.address)).to.equal(FUNDS);
  });

  it('fails for the missing allowance when the permit is wrong', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({ owner: secondPayer, spender: world.gateway });
    await expectRevert(
      world,
      world.payWithPermitCall(newcomer.address, terms, permit),
      'ERC20InsufficientAllowance',
      [world.gateway, 0n, terms.amount],
    );
  });

  it('fails for the missing allowance when the permit is out of date', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      deadline: BigInt(await world.now()) - 1n,
    });
    await expectRevert(
      world,
      world.payWithPermitCall(newcomer.address, terms, permit),
      'ERC20InsufficientAllowance',
      [world.gateway, 0n, terms.amount],
    );
  });

  it('never spends the permit of somebody else: the payer is who calls', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      value: maxUint256,
    });
    await world.send(world.payWithPermitCall(payer.address, terms, permit));
    expect(await world.payerOf(terms)).to.equal(payer.address);
    expect(await world.balanceOf(newcomer.address)).to.equal(FUNDS);
    expect(await world.allowanceOf(newcomer.address)).to.equal(0n);
  });

  it('checks the terms as pay does', async () => {
    const now = await world.now();
    const permit = await world.signPermit({ owner: payer, spender: world.gateway });
    const paid = await world.makeTerms();
    await world.send(world.payCall(payer.address, paid));
    const attempt = (terms: typeof paid) => world.payWithPermitCall(payer.address, terms, permit);
    await expectRevert(world, attempt(paid), 'PaymentAlreadyProcessed', [
      world.paymentIdOf(paid),
      payer.address,
    ]);
    await expectRevert(world, attempt({ ...paid, token: zeroAddress }), 'InvalidToken', [
      zeroAddress,
    ]);
    await expectRevert(world, attempt({ ...paid, amount: 0n }), 'InvalidAmount', [0n]);
    await expectRevert(world, attempt({ ...paid, merchant: zeroAddress }), 'InvalidMerchant', [
      zeroAddress,
    ]);
    await expectRevert(world, attempt({ ...paid, merchant: payer.address }), 'PayerIsMerchant', [
      payer.address,
    ]);
    // An address without code takes the permit as it takes everything, and is found out by the
    // transfer.
    await expectRevert(
      world,
      attempt({ ...paid, token: newcomer.address }),
      'SafeERC20FailedOperation',
      [newcomer.address],
    );

    const expired = { ...paid, expiresAt: now - 1 };
    const receipt = await world.send({ ...attempt(expired), gas: 1_000_000n });
    expect(receipt.status).to.equal('reverted');
    expect(await world.isProcessed(expired)).to.equal(false);
  });
});
