import { expect } from 'chai';
import { parseEventLogs, zeroAddress } from 'viem';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
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
  travelTo,
  useContracts,
} from './support.ts';

describe('PaymentGateway.pay', () => {
  const world = useContracts();

  it('moves exactly the amount from the payer straight to the merchant', async () => {
    const terms = await world.makeTerms({ amount: 123_456_789n });
    const receipt = await world.send(world.payCall(payer.address, terms));

    expect(await world.balanceOf(payer.address)).to.equal(FUNDS - 123_456_789n);
    expect(await world.balanceOf(world.merchant)).to.equal(123_456_789n);
    expect(await world.balanceOf(world.gateway)).to.equal(0n);
    const transfers = parseEventLogs({
      abi: testTokenAbi,
      eventName: 'Transfer',
      logs: receipt.logs,
    }).map((log) => log.args);
    expect(transfers).to.deep.equal([
      { from: payer.address, to: world.merchant, value: 123_456_789n },
    ]);
  });

  it('records the payer and tells of the payment in one event', async () => {
    const terms = await world.makeTerms();
    expect(await world.isProcessed(terms)).to.equal(false);
    const receipt = await world.send(world.payCall(payer.address, terms));

    expect(processedEvents(world, receipt)).to.deep.equal([
      {
        paymentId: world.paymentIdOf(terms),
        payer: payer.address,
        merchant: terms.merchant,
        token: terms.token,
        amount: terms.amount,
      },
    ]);
    expect(await world.isProcessed(terms)).to.equal(true);
    expect(await world.payerOf(terms)).to.equal(payer.address);
  });

  it('takes no payment twice, from whomever', async () => {
    const terms = await world.makeTerms();
    await world.send(world.payCall(payer.address, terms));
    const args = [world.paymentIdOf(terms), payer.address];
    await expectRevert(world, world.payCall(payer.address, terms), 'PaymentAlreadyProcessed', args);
    await expectRevert(
      world,
      world.payCall(secondPayer.address, terms),
      'PaymentAlreadyProcessed',
      args,
    );
    expect(await world.balanceOf(world.merchant)).to.equal(terms.amount);
  });

  it('still says that a payment was made after its time has passed', async () => {
    const terms = await world.makeTerms();
    await world.send(world.payCall(payer.address, terms));
    await travelTo(world, terms.expiresAt + 100);
    await expectRevert(world, world.payCall(payer.address, terms), 'PaymentAlreadyProcessed', [
      world.paymentIdOf(terms),
      payer.address,
    ]);
  });

  it('leaves a payment untouched when somebody pays changed terms with the same salt', async () => {
    const terms = await world.makeTerms();
    await world.send(world.payCall(secondPayer.address, { ...terms, amount: 1n }));
    await world.send(world.payCall(secondPayer.address, { ...terms, merchant: newcomer.address }));
    await world.send(
      world.payCall(secondPayer.address, { ...terms, expiresAt: terms.expiresAt + 1 }),
    );
    expect(await world.isProcessed(terms)).to.equal(false);
    expect(await world.payerOf(terms)).to.equal(zeroAddress);

    const receipt = await world.send(world.payCall(payer.address, terms));
    expect(processedEvents(world, receipt)).to.have.length(1);
    expect(await world.payerOf(terms)).to.equal(payer.address);
  });

  it('accepts a payment in the very second in which it expires', async () => {
    const terms = await world.makeTerms();
    const receipt = await sendAt(world, terms.expiresAt, world.payCall(payer.address, terms));
    expect(receipt.status).to.equal('success');
    expect(await world.isProcessed(terms)).to.equal(true);
  });

  it('refuses a payment one second after it expired', async () => {
    const terms = await world.makeTerms();
    const late = await sendAt(world, terms.expiresAt + 1, world.payCall(payer.address, terms));
    expect(late.status).to.equal('reverted');
    expect(await findRevert(world, world.payCall(payer.address, terms))).to.deep.equal({
      errorName: 'PaymentExpired',
      args: [world.paymentIdOf(terms), terms.expiresAt, BigInt(await world.now())],
    });
    expect(await world.isProcessed(terms)).to.equal(false);
  });

  it('refuses the zero address as token', async () => {
    const terms = await world.makeTerms({ token: zeroAddress });
    await expectRevert(world, world.payCall(payer.address, terms), 'InvalidToken', [zeroAddress]);
  });

  it('refuses an amount of zero', async () => {
    const terms = await world.makeTerms({ amount: 0n });
    await expectRevert(world, world.payCall(payer.address, terms), 'InvalidAmount', [0n]);
  });

  it('refuses the zero address as merchant', async () => {
    const terms = await world.makeTerms({ merchant: zeroAddress });
    await expectRevert(world, world.payCall(payer.address, terms), 'InvalidMerchant', [
      zeroAddress,
    ]);
  });

  it('refuses itself as merchant, since tokens could never leave it', async () => {
    const terms = await world.makeTerms({ merchant: world.gateway });
    await expectRevert(world, world.payCall(payer.address, terms), 'InvalidMerchant', [
      world.gateway,
    ]);
  });

  it('refuses a merchant who pays himself', async () => {
    const terms = await world.makeTerms({ merchant: payer.address });
    await expectRevert(world, world.payCall(payer.address, terms), 'PayerIsMerchant', [
      payer.address,
    ]);
  });

  it('refuses an address without code as token', async () => {
    const terms = await world.makeTerms({ token: newcomer.address });
    await expectRevert(world, world.payCall(payer.address, terms), 'SafeERC20FailedOperation', [
      newcomer.address,
    ]);
  });

  it("passes on the token's reason when the balance is too low", async () => {
    const terms = await world.makeTerms();
    await expectRevert(world, world.payCall(pauper.address, terms), 'ERC20InsufficientBalance', [
      pauper.address,
      0n,
      terms.amount,
    ]);
    expect(await world.isProcessed(terms)).to.equal(false);
  });

  it("passes on the token's reason when the allowance is too low", async () => {
    const terms = await world.makeTerms();
    await world.approve(newcomer.address, terms.amount - 1n);
    await expectRevert(
      world,
      world.payCall(newcomer.address, terms),
      'ERC20InsufficientAllowance',
      [world.gateway, terms.amount - 1n, terms.amount],
    );
  });

  it('accepts no ether', async () => {
    const terms = await world.makeTerms();
    const receipt = await world.send({
      ...world.payCall(payer.address, terms),
      value: 1n,
      gas: 300_000n,
    });
    expect(receipt.status).to.equal('reverted');
    expect(await world.client.getBalance({ address: world.gateway })).to.equal(0n);
  });
});
