import { expect } from 'chai';
import { getAddress } from 'viem';
import {
  paymentGatewayAbi,
  paymentGatewayBytecode,
} from '../../contracts/generated/PaymentGateway.ts';
import { hashPaymentTerms } from '../../contracts/typedData.ts';
import { accountAt, createWorkbench } from '../../dev/contracts/createWorkbench.ts';
import { expectRevert, payer, processedEvents, refundedEvents, useContracts } from './support.ts';

describe('A signature counts on one chain and one gateway only', () => {
  const world = useContracts();

  it('is refused when it was given for another gateway on the same chain', async () => {
    const otherGateway = await world.deploy(paymentGatewayAbi, paymentGatewayBytecode, [
      world.forwarder,
    ]);
    const terms = await world.makeTerms();
    const execution = await world.authorize(payer, terms);
    const idThere = hashPaymentTerms(world.chainId, otherGateway, terms);
    expect(idThere).to.not.equal(world.paymentIdOf(terms));
    await expectRevert(
      world,
      { ...world.executePaymentCall(execution), to: otherGateway },
      'InvalidAuthorization',
      [idThere, payer.address],
    );
    expect(
      processedEvents(world, await world.send(world.executePaymentCall(execution))),
    ).to.have.length(1);
  });

  it('is refused when it names this payment but was given under the domain of another gateway or chain', async () => {
    const terms = await world.makeTerms();
    for (const domain of [{ gateway: getAddress(world.token) }, { chainId: world.chainId + 1 }]) {
      const execution = await world.authorize(payer, terms, { domain });
      await expectRevert(world, world.executePaymentCall(execution), 'InvalidAuthorization', [
        world.paymentIdOf(terms),
        payer.address,
      ]);
    }
  });

  it('refunds nothing of what was paid through another gateway on the same chain', async () => {
    const merchant = accountAt(2);
    const otherGateway = await world.deploy(paymentGatewayAbi, paymentGatewayBytecode, [
      world.forwarder,
    ]);
    const terms = await world.makeTerms();
    await world.send(world.payCall(payer.address, terms));
    const { data } = world.executeRefundCall(await world.authorizeRefund(merchant, terms));
    const idThere = hashPaymentTerms(world.chainId, otherGateway, terms);
    await expectRevert(
      world,
      { from: world.relayer, to: otherGateway, data },
      'PaymentNotProcessed',
      [idThere],
    );
  });

  it('refunds nothing when it names this payment but was given under the domain of another gateway or chain', async () => {
    const merchant = accountAt(2);
    await world.approve(merchant.address);
    const terms = await world.makeTerms();
    await world.send(world.payCall(payer.address, terms));
    for (const domain of [{ gateway: getAddress(world.token) }, { chainId: world.chainId + 1 }]) {
      const execution = await world.authorizeRefund(merchant, terms, { nonce: 1n, domain });
      await expectRevert(world, world.executeRefundCall(execution), 'InvalidRefundAuthorization', [
        world.paymentIdOf(terms),
        1n,
        merchant.address,
      ]);
    }
  });

  it('is refused on another chain that has the same gateway at the same address', async () => {
    const other = await createWorkbench({ chainId: 271828 });
    try {
      expect(other.gateway).to.equal(world.gateway);
      await other.mint(payer.address);
      await other.approve(payer.address);
      const terms = await world.makeTerms();
      const execution = await world.authorize(payer, terms);
      const otherWorld = { ...other, hostile: world.hostile };
      await expectRevert(otherWorld, other.executePaymentCall(execution), 'InvalidAuthorization', [
        other.paymentIdOf(terms),
        payer.address,
      ]);
      const signedThere = await other.authorize(payer, terms);
      expect(
        processedEvents(otherWorld, await other.send(other.executePaymentCall(signedThere))),
      ).to.have.length(1);

      // Paid on both chains alike, and refunded on one.
      const merchant = accountAt(2);
      for (const each of [world, other]) await each.approve(merchant.address);
      await world.send(world.executePaymentCall(execution));
      const refund = await world.authorizeRefund(merchant, terms, { nonce: 1n });
      await expectRevert(
        otherWorld,
        other.executeRefundCall(refund),
        'InvalidRefundAuthorization',
        [other.paymentIdOf(terms), 1n, merchant.address],
      );
      expect(
        refundedEvents(world, await world.send(world.executeRefundCall(refund))),
      ).to.have.length(1);
    } finally {
      await other.close();
    }
  }).timeout(60_000);
});
