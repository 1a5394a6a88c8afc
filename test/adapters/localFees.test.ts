import { expect } from 'chai';

import { capFees, decideCap, decideRaise } from '../../adapters/relayers/local/localFees.ts';

const GWEI = 10n ** 9n;
const fees = (max: bigint, priority: bigint | null) => ({
  maxFeePerGas: max,
  maxPriorityFeePerGas: priority,
});

describe('the fees of a key of our own', () => {
  const raise = (changes: Partial<Parameters<typeof decideRaise>[0]>) =>
    decideRaise({
      fees: fees(100n, 10n),
      asked: fees(1n, 1n),
      bumpPercent: 15,
      cap: 10_000n,
      ...changes,
    });

  it('are raised in both fields, by the percentage or to what the chain asks for', () => {
    expect(raise({})).to.deep.equal(fees(115n, 12n));
    expect(raise({ asked: fees(500n, 11n) })).to.deep.equal(fees(500n, 12n));
    expect(raise({ asked: fees(100n, 40n) })).to.deep.equal(fees(115n, 40n));
    expect(raise({ fees: fees(100n, null), asked: fees(20n, null) })).to.deep.equal(
      fees(115n, null),
    );
  });

  it('never stay the same, however small they are', () => {
    expect(raise({ fees: fees(1n, 0n), asked: fees(0n, 0n) })).to.deep.equal(fees(2n, 1n));
  });

  it('go up to the cap, as long as that is enough for a node to replace the transaction', () => {
    expect(raise({ cap: 112n })).to.deep.equal(fees(112n, 12n));
    expect(raise({ cap: 110n })).to.deep.equal(fees(110n, 12n));
    expect(raise({ cap: 109n })).to.equal(undefined);
    expect(raise({ fees: fees(100n, 100n), cap: 110n })).to.deep.equal(fees(110n, 110n));
    expect(raise({ fees: fees(100n, null), cap: 109n })).to.equal(undefined);
  });

  it('are never tipped with more than they are altogether', () => {
    expect(capFees(fees(100n * GWEI, 50n * GWEI), 20n * GWEI)).to.deep.equal(
      fees(20n * GWEI, 20n * GWEI),
    );
    expect(capFees(fees(100n, null), 20n)).to.deep.equal(fees(20n, null));
    expect(capFees(fees(10n, 3n), 20n)).to.deep.equal(fees(10n, 3n));
  });

  it('end at some multiple of what the chain asks for where the operator set no cap', () => {
    const asked = { ...fees(30n, 1n), baseFeePerGas: 10n, suggested: 30n };
    expect(decideCap(asked, 7n)).to.equal(7n);
    const cap = decideCap(asked, undefined);
    let offered: ReturnType<typeof raise> = fees(30n, 1n);
    let highest = 0n;
    for (let rounds = 0; offered !== undefined && rounds < 100; rounds++) {
      highest = offered.maxFeePerGas;
      offered = decideRaise({ fees: offered, asked: fees(30n, 1n), bumpPercent: 15, cap });
    }
    expect(offered).to.equal(undefined);
    expect(highest).to.satisfy((fee: bigint) => fee > 200n && fee <= 300n);
  });

  it('end at twice of what is wanted beyond that', () => {
    const asked = { ...fees(30n * GWEI + 30n, 30n * GWEI), baseFeePerGas: 10n, suggested: 30n };
    expect(decideCap(asked, undefined)).to.equal(60n * GWEI + 300n);
  });
});
