import type { AskedFees, LocalFees } from './localFees.ts';

/**
 * What has to be offered for a transaction to be taken and mined, whatever the node suggests: in
 * wei a gas unit, 0 where nothing is known.
 */
export interface MinimumFees {
  /** Above the base fee. */
  readonly tip: bigint;
  /** With the base fee. */
  readonly price: bigint;
}

/**
 * Where the operator set no cap: a node's word, or what others pay, is followed up to this. Ten
 * times what the dearest chain of today wants (Polygon, 30 gwei).
 */
const MOST_LEARNED = 300_000_000_000n;
/**
 * Then it has to be learned again: what others pay changes by the minute, and a refusal costs
 * nothing.
 */
const LEARNED_MS = 10 * 60_000;

/**
 * How nodes name what they want at least. The first that fits; the number is the one named `wei`,
 * or `gwei`.
 *
 *   Geth, BSC, Bor   gas tip cap 1, minimum needed 25000000000 · tip needed 3000000000, tip
 *                    permitted 1000000000
 *   Avalanche        gas tip cap (1) < pool gas tip cap (470000000000)
 *   Nethermind       EffectivePriorityFeePerGas too low 1 < 2, BaseFee: 0
 *   Hedera, OpenEthereum   below configured minimum gas price '950' · minimal: 100 got: 50
 */
const NAMED: readonly (readonly [RegExp, keyof MinimumFees])[] = [
  [/\btip\b.*\bminimum needed:? (?<wei>\d+)/i, 'tip'],
  [/\btip needed:? (?<wei>\d+)/i, 'tip'],
  [/\bpool gas tip cap \((?<wei>\d+)\)/i, 'tip'],
  [/priority ?fee ?per ?gas too low:? \d+ < (?<wei>\d+)/i, 'tip'],
  [
    /priority fee\b.*\b(below|less than|lower than|minimum|at least)\b.*?(?<gwei>\d+(\.\d+)?) ?gwei/i,
    'tip',
  ],
  [/priority fee\b.*\b(minimum|at least)\D*(?<wei>\d+)/i, 'tip'],
  [/minimum gas ?price\D*(?<wei>\d+)/i, 'price'],
  [/\bminimal: (?<wei>\d+)/i, 'price'],
];

/** @returns undefined when the refusal names no number */
export function readNamedMinimum(
  words: string,
): { readonly of: keyof MinimumFees; readonly wei: bigint } | undefined {
  for (const [pattern, of] of NAMED) {
    const { wei, gwei } = pattern.exec(words)?.groups ?? {};
    if (wei !== undefined) return { of, wei: BigInt(wei) };
    if (gwei !== undefined) return { of, wei: BigInt(Math.ceil(Number(gwei) * 1e9)) };
  }
  return undefined;
}

/**
 * What an account's transactions have to offer at least on its chain, as configured, as nodes said
 * when they refused, and as others pay.
 */
export interface LocalMinimum {
  /** @returns false: it is more than may be offered, and is not followed */
  learn(of: keyof MinimumFees, wei: bigint): boolean;
  /** What the chain asks for, and at least the minimum. */
  lift(asked: AskedFees): AskedFees;
  /** Whether these offer less. */
  isAbove(fees: LocalFees): boolean;
}

/**
 * @param options.configured tip; undefined: none
 * @param options.most see MOST_LEARNED; undefined: that
 * @param options.now milliseconds
 */
export function createLocalMinimum(options: {
  readonly configured: bigint | undefined;
  readonly most: bigint | undefined;
  readonly now: () => number;
}): LocalMinimum {
  const { configured = 0n, most = MOST_LEARNED, now } = options;
  const learned = new Map<keyof MinimumFees, { readonly wei: bigint; readonly until: number }>();

  function known(of: keyof MinimumFees): bigint {
    const one = learned.get(of);
    return one !== undefined && now() < one.until ? one.wei : 0n;
  }

  const tip = (): bigint => larger(known('tip'), configured);

  return {
    learn(of, wei) {
      if (wei > most) return false;
      if (wei >= known(of)) learned.set(of, { wei, until: now() + LEARNED_MS });
      return true;
    },

    lift(asked) {
      const { baseFeePerGas, maxFeePerGas, maxPriorityFeePerGas } = asked;
      // Without EIP-1559 the price is all there is.
      if (maxPriorityFeePerGas === null)
        return { ...asked, maxFeePerGas: larger(maxFeePerGas, larger(tip(), known('price'))) };
      const least = larger(tip(), known('price') - baseFeePerGas);
      if (maxPriorityFeePerGas >= least) return asked;
      return {
        ...asked,
        maxFeePerGas: maxFeePerGas + least - maxPriorityFeePerGas,
        maxPriorityFeePerGas: least,
      };
    },

    isAbove: ({ maxFeePerGas, maxPriorityFeePerGas }) =>
      maxFeePerGas < larger(tip(), known('price')) ||
      (maxPriorityFeePerGas !== null && maxPriorityFeePerGas < tip()),
  };
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
