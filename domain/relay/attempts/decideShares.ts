import type { RelayRail } from '../model.ts';

/**
 * Pure rules about who pays for what a transaction used. The chain tells what the whole of it used,
 * and not what each item did. So each is charged what its kind typically uses, and what goes beyond
 * that falls to the items that may have used it, the likeliest first.
 */

/** Of a transaction, whatever it does. */
const INTRINSIC_GAS = 21_000n;
/**
 * What one more item adds to a batch with an ordinary token: dev/contracts/printGas.ts prints the
 * table.
 */
const TYPICAL_GAS: Readonly<Record<RelayRail, bigint>> = {
  forwarder: 62_000n,
  authorization: 52_000n,
  refund: 52_000n,
};
/** A permit, on top. */
const TYPICAL_PERMIT_GAS = 20_000n;
/** A contract that checks a signature, on top: a proxy, a recovery or two. */
const TYPICAL_CONTRACT_GAS = 35_000n;

export function typicalGas(item: {
  readonly rail: RelayRail;
  readonly hasPermit: boolean;
  readonly runsForeignCode: boolean;
}): bigint {
  return (
    TYPICAL_GAS[item.rail] +
    (item.hasPermit ? TYPICAL_PERMIT_GAS : 0n) +
    (item.runsForeignCode ? TYPICAL_CONTRACT_GAS : 0n)
  );
}

/**
 * Why an item may have used more than its kind typically does.
 *
 *   refused  code of its signer's account may have run, and it came to nothing
 *   ranCode  code of its signer's account ran
 *   permit   it brings a permit: its signer's account may have had code that nobody saw
 *   none     it ran nothing of its signer's
 */
export type Suspicion = 'refused' | 'ranCode' | 'permit' | 'none';

export interface SharedItem {
  /** What it typically uses: above 0. */
  readonly typical: bigint;
  readonly suspicion: Suspicion;
  /** What it may use at most, its data apart: of no account where the suspicion is `none`. */
  readonly most: bigint;
}

/**
 * What the chain took for the transaction's data falls to all alike: nobody's code has a part in
 * it. The rest is split by what each may have used. Where the receipt does not tell how much was
 * for data, what goes beyond the typical is taken for that, up to what is configured.
 * @param used see Receipt
 * @param dataGasPerRequest the chain's, see the configuration
 * @returns what each item is charged, in their order: adds up to what was used
 */
export function splitUsed(
  used: { readonly gasUsed: bigint; readonly dataGasUsed: bigint | undefined },
  items: readonly SharedItem[],
  dataGasPerRequest: bigint,
): bigint[] {
  const beyond = most(0n, used.gasUsed - INTRINSIC_GAS - sum(items.map(({ typical }) => typical)));
  const dataGas = used.dataGasUsed ?? least(beyond, dataGasPerRequest * BigInt(items.length));
  const alike = inProportion(
    dataGas,
    items.map(() => 1n),
  );
  return add(alike, splitGas(used.gasUsed - dataGas, items));
}

/**
 * A token may be dearer than an ordinary one, for every item. Up to so many times what is typical
 * that is likelier than that an account without code ran some.
 */
const DEAR_TOKEN = 2n;

/**
 * What is typical falls to each. What is beyond that falls, as far as they may have used it,
 *
 *   to the refused → to those that ran code → to all, as a dear token's → to permits → to all
 *
 * So a plain request never pays for code that is known, and little for code that nobody saw.
 * @param total gas that the transaction used for what it executed
 * @returns what each item is charged, in their order: adds up to the total
 */
export function splitGas(total: bigint, items: readonly SharedItem[]): bigint[] {
  const typicals = items.map(({ typical }) => typical);
  const typical = sum(typicals);
  let common = total;
  let shares = items.map(() => 0n);
  for (const { suspicion, after } of [
    { suspicion: 'refused', after: typical },
    { suspicion: 'ranCode', after: typical },
    { suspicion: 'permit', after: DEAR_TOKEN * typical },
  ]) {
    const rooms = items.map((item) =>
      item.suspicion === suspicion && item.most > item.typical ? item.most - item.typical : 0n,
    );
    const extra = least(common - INTRINSIC_GAS - after, sum(rooms));
    if (extra <= 0n) continue;
    common -= extra;
    shares = add(shares, inProportion(extra, rooms));
  }
  return add(shares, inProportion(common, typicals));
}

function most(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

function least(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

function add(one: readonly bigint[], other: readonly bigint[]): bigint[] {
  return one.map((number, index) => number + (other[index] ?? 0n));
}

/** Whole units; the parts add up to the total. */
function inProportion(total: bigint, weights: readonly bigint[]): bigint[] {
  const all = sum(weights);
  let before = 0n;
  return weights.map((weight) => {
    const from = (total * before) / all;
    before += weight;
    return (total * before) / all - from;
  });
}

function sum(numbers: readonly bigint[]): bigint {
  return numbers.reduce((total, number) => total + number, 0n);
}
