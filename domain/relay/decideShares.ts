import type { RelayRail } from './model.ts';

/**
 * Pure rules about who pays for what a transaction used. The chain tells what the whole of it used, and not what each item did, so each is charged what its
 * kind typically uses; and what goes beyond that, the items whose signer's own code ran and that came to nothing, since no other item can use more than
 * its kind does.
 */

/** Of a transaction, whatever it does. */
const INTRINSIC_GAS = 21_000n;
/** What one more item adds to a batch with an ordinary token: contracts/gas.ts prints the table. */
const TYPICAL_GAS: Readonly<Record<RelayRail, bigint>> = { forwarder: 62_000n, authorization: 52_000n, refund: 52_000n };
/** A permit, on top. */
const TYPICAL_PERMIT_GAS = 20_000n;
/** A contract that checks a signature, on top: a proxy, a recovery or two. */
const TYPICAL_CONTRACT_GAS = 35_000n;

export function typicalGas(item: { readonly rail: RelayRail; readonly hasPermit: boolean; readonly runsForeignCode: boolean }): bigint {
  return TYPICAL_GAS[item.rail] + (item.hasPermit ? TYPICAL_PERMIT_GAS : 0n) + (item.runsForeignCode ? TYPICAL_CONTRACT_GAS : 0n);
}

export interface SharedItem {
  /** What it typically uses: above 0. */
  readonly typical: bigint;
  /** What it may use at most, when it is one of those that may have used more than is typical; else undefined. */
  readonly most: bigint | undefined;
}

/**
 * @param total gas that the transaction used
 * @returns what each item is charged, in their order: adds up to the total
 */
export function splitGas(total: bigint, items: readonly SharedItem[]): bigint[] {
  const typicals = items.map(({ typical }) => typical);
  const excess = total - INTRINSIC_GAS - sum(typicals);
  const rooms = items.map(({ typical, most }) => (most === undefined || most <= typical ? 0n : most - typical));
  const room = sum(rooms);
  const extra = excess <= 0n || room === 0n ? 0n : excess < room ? excess : room;
  const extras = extra === 0n ? rooms.map(() => 0n) : inProportion(extra, rooms);
  return inProportion(total - extra, typicals).map((share, index) => share + (extras[index] ?? 0n));
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
