import { expect } from 'chai';
import fc from 'fast-check';
import { zeroAddress, type Address, type Hex } from 'viem';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { PaymentTerms } from '../../contracts/typedData.ts';
import { findRevert, payer, processedEvents, useContracts } from './support.ts';

const hex = (bytes: number): fc.Arbitrary<Hex> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((value): Hex => `0x${Buffer.from(value).toString('hex')}`);
const address: fc.Arbitrary<Address> = hex(20);
const anyTerms: fc.Arbitrary<PaymentTerms> = fc.record({
  salt: hex(32),
  token: address,
  amount: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
  merchant: address,
  expiresAt: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
});

describe('PaymentGateway.paymentIdOf', () => {
  const world = useContracts();
  const readId = (terms: PaymentTerms) =>
    world.client.readContract({
      address: world.gateway,
      abi: paymentGatewayAbi,
      functionName: 'paymentIdOf',
      args: [terms],
    });

  it('is the EIP-712 digest that the server computes, for any terms', async () => {
    await fc.assert(
      fc.asyncProperty(anyTerms, async (terms) => {
        expect(await readId(terms)).to.equal(world.paymentIdOf(terms));
      }),
      { numRuns: 100 },
    );
  });

  it('changes with every single term', async () => {
    await fc.assert(
      fc.asyncProperty(anyTerms, anyTerms, async (terms, other) => {
        const id = await readId(terms);
        for (const key of Object.keys(terms) as (keyof PaymentTerms)[]) {
          if (terms[key] === other[key]) continue;
          expect(await readId({ ...terms, [key]: other[key] }), key).to.not.equal(id);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('belongs to a payment that can be made once and never twice, for any sound terms', async () => {
    const soundTerms = fc.record({
      salt: hex(32),
      amount: fc.bigInt({ min: 1n, max: 10n ** 27n }),
      merchant: address.filter((merchant) => merchant !== zeroAddress),
      secondsLeft: fc.integer({ min: 3600, max: 2 ** 40 }),
    });
    await fc.assert(
      fc.asyncProperty(soundTerms, async ({ secondsLeft, ...chosen }) => {
        const terms = await world.makeTerms({
          ...chosen,
          expiresAt: (await world.now()) + secondsLeft,
        });
        const before = await world.balanceOf(terms.merchant);
        const receipt = await world.send(world.payCall(payer.address, terms));
        expect(processedEvents(world, receipt).map((event) => event.paymentId)).to.deep.equal([
          world.paymentIdOf(terms),
        ]);
        expect(await findRevert(world, world.payCall(payer.address, terms))).to.deep.equal({
          errorName: 'PaymentAlreadyProcessed',
          args: [world.paymentIdOf(terms), payer.address],
        });
        expect(await world.balanceOf(terms.merchant)).to.equal(before + terms.amount);
      }),
      { numRuns: 25 },
    );
  });
});
