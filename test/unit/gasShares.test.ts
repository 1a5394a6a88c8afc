import { expect } from 'chai';

import { splitGas, typicalGas } from '../../domain/relay/attempts/decideShares.ts';
import { shareGas } from '../../domain/relay/attempts/shareGas.ts';
import { createRandom } from '../support/createRandom.ts';

const rail = 'authorization';
const most = 460_000n;
const plain = {
  typical: typicalGas({ rail, hasPermit: false, runsForeignCode: false }),
  most,
  suspicion: 'none',
} as const;
const permitted = {
  typical: typicalGas({ rail, hasPermit: true, runsForeignCode: false }),
  most,
  suspicion: 'permit',
} as const;
const wallet = {
  typical: typicalGas({ rail, hasPermit: false, runsForeignCode: true }),
  most,
  suspicion: 'ranCode',
} as const;
const burner = { ...wallet, suspicion: 'refused' } as const;
const repeat = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
const sum = (numbers: readonly bigint[]) => numbers.reduce((total, number) => total + number, 0n);

/** An attempt in its place in a transaction. */
const itemAt = (index: number, brings: boolean, runsForeignCode = false) => ({
  index,
  attempt: {
    ...{ id: `rla_${index}`, paymentId: `0x${index.toString(16).padStart(64, '0')}` as const },
    signed: { rail, authorization: { payer: `0x${'0'.repeat(40)}`, deadline: 0 } } as const,
    ...{
      permit: brings ? ({ value: 1n, deadline: 0n, signature: '0x' } as const) : null,
      runsForeignCode,
    },
  },
});
const receiptOf = (gasUsed: bigint, dataGasUsed?: bigint) => ({
  gasUsed,
  dataGasUsed,
  refusals: [],
});

describe('who pays for the gas of a transaction', () => {
  it('one by itself pays all of it', () => {
    for (const item of [plain, wallet, burner])
      expect(splitGas(777_777n, [item])).to.deep.equal([777_777n]);
  });

  it('equals pay the same, to one unit', () => {
    expect(splitGas(100n, [plain, plain, plain])).to.deep.equal([33n, 33n, 34n]);
  });

  it('a permit is paid by who brings it', () => {
    const [without, brought] = splitGas(21_000n + plain.typical + permitted.typical, [
      plain,
      permitted,
    ]);
    expect(brought! - without!).to.be.within(20_000 as never, 24_000 as never);
  });

  it('what a contract may have burned is its own to pay, and costs the others nothing', () => {
    const others = repeat(19, plain);
    const quiet = splitGas(21_000n + 20n * plain.typical, [...others, plain]);
    const used = 21_000n + 19n * plain.typical + 415_000n;
    const shares = splitGas(used, [...others, burner]);
    expect(sum(shares)).to.equal(used);
    for (const [index, share] of shares.slice(0, 19).entries())
      expect(share <= quiet[index]! + 100n, `${share}`).to.equal(true);
    expect(shares[19]! > 410_000n).to.equal(true);
  });

  it('nobody pays for more than it may have used: what a dear token takes is shared', () => {
    const used = 21_000n + 10n * 300_000n + 415_000n;
    const shares = splitGas(used, [...repeat(10, plain), burner]);
    expect(sum(shares)).to.equal(used);
    expect(shares[10]! < 1_000_000n).to.equal(true);
    expect(shares[0]! > 250_000n).to.equal(true);
  });

  it('what a contract may have burned that paid all the same is its own to pay too', () => {
    const used = 21_000n + 19n * plain.typical + 415_000n;
    const shares = splitGas(used, [...repeat(19, plain), wallet]);
    expect(sum(shares)).to.equal(used);
    for (const share of shares.slice(0, 19))
      expect(share < plain.typical + 2_000n, `${share}`).to.equal(true);
    expect(shares[19]! > 410_000n).to.equal(true);
  });

  it('of those that may have burned, who was refused pays first, and who ran code before who brought a permit', () => {
    const used = (more: bigint) =>
      21_000n + plain.typical + 2n * wallet.typical + permitted.typical + more;
    const items = [plain, wallet, burner, permitted];
    const quiet = splitGas(used(0n), items);
    const more = (extra: bigint) =>
      splitGas(used(extra), items).map((share, index) => share - quiet[index]!);
    expect(more(300_000n)).to.deep.equal([0n, 0n, 300_000n, 0n]);
    const [, ranCode, refused, brought] = more(600_000n);
    expect([ranCode, refused, brought]).to.deep.equal([
      600_000n - (most - burner.typical),
      most - burner.typical,
      0n,
    ]);
  });

  it('what a dear token takes is not charged to who brings a permit; what no token takes is, before it is to others', () => {
    const items = [...repeat(9, plain), permitted];
    const typical = 9n * plain.typical + permitted.typical;
    const dear = splitGas(21_000n + typical + 150_000n, items);
    expect(dear[9]! < 100_000n, `${dear[9]}`).to.equal(true);
    const burned = splitGas(21_000n + 2n * typical + 380_000n, items);
    expect(burned[9]! > 380_000n + permitted.typical, `${burned[9]}`).to.equal(true);
    // However much was burned, others pay at most what is typical once more.
    for (const share of burned.slice(0, 9))
      expect(share <= 2n * plain.typical + 3_000n, `${share}`).to.equal(true);
  });

  it('two that may have burned share it', () => {
    const used = 21_000n + plain.typical + 800_000n;
    const [one, two, three] = splitGas(used, [burner, plain, burner]);
    expect(one! + two! + three!).to.equal(used);
    // To one unit, for the part of each.
    expect(one! - three!).to.be.within(-2 as never, 2 as never);
    expect(two! < 60_000n).to.equal(true);
  });

  it('always adds up, whatever was used by whomever', () => {
    const random = createRandom(Number(process.env['TEST_SEED'] ?? 7));
    for (let round = 0; round < 500; round++) {
      const items = Array.from(
        { length: random.between(1, 30) },
        () => [plain, permitted, wallet, burner][random.between(0, 3)]!,
      );
      const total = BigInt(random.between(0, 5_000_000));
      const shares = splitGas(total, items);
      expect(sum(shares)).to.equal(total);
      for (const share of shares) expect(share >= 0n).to.equal(true);
    }
  });
});

describe('who pays for the gas that a chain takes for the data of a transaction', () => {
  const carried = Array.from({ length: 10 }, (_, index) => itemAt(index, index === 9));
  const executed = 21_000n + 9n * plain.typical + permitted.typical;
  const DATA_GAS = 100_000n;
  const load = (dataGasPerRequest: bigint) => ({ items: carried, dataGasPerRequest });
  const sharesOf = (used: ReturnType<typeof receiptOf>, dataGasPerRequest: bigint) => [
    ...shareGas({ items: 10 }, used, load(dataGasPerRequest)).values(),
  ];
  /** What each is charged where the same transaction takes no gas for data. */
  const quiet = sharesOf(receiptOf(executed), 0n);

  it('all alike, when the receipt tells it: whoever brings a permit pays for nobody else’s', () => {
    // What is configured is for before, and does not count here.
    for (const configured of [0n, DATA_GAS, 3n * DATA_GAS]) {
      const shares = sharesOf(receiptOf(executed + 10n * DATA_GAS, 10n * DATA_GAS), configured);
      expect(shares).to.deep.equal(quiet.map((share) => share + DATA_GAS));
    }
  });

  it('all alike, when it does not tell and so much is configured', () => {
    for (const configured of [DATA_GAS, 3n * DATA_GAS]) {
      const shares = sharesOf(receiptOf(executed + 10n * DATA_GAS), configured);
      expect(shares).to.deep.equal(quiet.map((share) => share + DATA_GAS));
    }
  });

  it('all alike up to what is configured, when it does not tell: what was burned beyond that is the burner’s', () => {
    const more = typicalOf(carried) + 300_000n;
    const shares = sharesOf(receiptOf(executed + 10n * DATA_GAS + more), DATA_GAS);
    expect(sum(shares)).to.equal(executed + 10n * DATA_GAS + more);
    expect(shares[9]! > quiet[9]! + DATA_GAS + 300_000n, `${shares[9]}`).to.equal(true);
    for (const share of shares.slice(0, 9))
      expect(share <= 2n * plain.typical + 3_000n + DATA_GAS, `${share}`).to.equal(true);
  });

  it('in a batch of foreign code too: who was refused pays for what it burned and its own data', () => {
    const all = Array.from({ length: 5 }, (_, index) => itemAt(index, false, true));
    const refusals = [{ rail, paymentId: all[2]!.attempt.paymentId, reason: 'PAY_030' } as const];
    const [burned, data] = [21_000n + 5n * wallet.typical + 300_000n, 5n * DATA_GAS];
    for (const used of [receiptOf(burned + data, data), receiptOf(burned + data)]) {
      const shares = [
        ...shareGas(
          { items: 5 },
          { ...used, refusals },
          { items: all, dataGasPerRequest: DATA_GAS },
        ).values(),
      ];
      expect(sum(shares)).to.equal(burned + data);
      for (const index of [0, 1, 3, 4])
        expect(shares[index]! < wallet.typical + 5_000n + DATA_GAS, `${shares[index]}`).to.equal(
          true,
        );
      expect(shares[2]! > 300_000n + DATA_GAS).to.equal(true);
    }
  });

  it('nobody, on a chain that charges for it apart from gas: what a permit burned stays its own, whatever is configured', () => {
    const used = executed + typicalOf(carried) + 300_000n;
    expect(sharesOf(receiptOf(used, 0n), DATA_GAS)).to.deep.equal(sharesOf(receiptOf(used), 0n));
  });

  it('adds up, whatever the receipt tells', () => {
    const random = createRandom(Number(process.env['TEST_SEED'] ?? 13));
    for (let round = 0; round < 300; round++) {
      const gasUsed = BigInt(random.between(0, 5_000_000));
      const told = [undefined, 0n, gasUsed, gasUsed / 3n][random.between(0, 3)];
      const shares = sharesOf(receiptOf(gasUsed, told), BigInt(random.between(0, 300_000)));
      expect(sum(shares)).to.equal(gasUsed);
      for (const share of shares) expect(share >= 0n).to.equal(true);
    }
  });

  function typicalOf(all: readonly ReturnType<typeof itemAt>[]): bigint {
    return sum(
      all.map(({ attempt: { permit, runsForeignCode } }) =>
        typicalGas({ rail, hasPermit: permit !== null, runsForeignCode }),
      ),
    );
  }
});

describe('an item whose attempt is not known, which had left the transaction before places were kept', () => {
  it('is taken for a plain one: its share is nobody’s, and the others never pay more than was used', () => {
    const random = createRandom(Number(process.env['TEST_SEED'] ?? 11));
    for (let round = 0; round < 300; round++) {
      const count = random.between(1, 20);
      const all = Array.from({ length: count }, (_, index) =>
        itemAt(index, random.between(0, 1) === 1),
      );
      const known = all.filter(() => random.between(0, 2) > 0);
      const receipt = receiptOf(BigInt(random.between(21_000, 3_000_000)));
      const dataGasPerRequest = BigInt(random.between(0, 1) * random.between(0, 200_000));
      const shares = shareGas({ items: count }, receipt, { items: known, dataGasPerRequest });
      expect([...shares.keys()]).to.have.members(known.map(({ attempt }) => attempt.id));
      const charged = sum([...shares.values()]);
      if (known.length === count) expect(charged).to.equal(receipt.gasUsed);
      else expect(charged < receipt.gasUsed).to.equal(true);
    }
  });
});
