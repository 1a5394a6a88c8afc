/** What a transaction offers for gas, in wei a gas unit. */
export interface LocalFees {
  /** On a chain without EIP-1559, the gas price. */
  readonly maxFeePerGas: bigint;
  /** null on a chain without EIP-1559. */
  readonly maxPriorityFeePerGas: bigint | null;
}

/** What the chain asks for now. */
export interface AskedFees extends LocalFees {
  /** Below this nothing is mined now; 0 where the chain does not say. */
  readonly baseFeePerGas: bigint;
  /**
   * The maximum as the node suggests it, before anything that we know to be wanted at least is
   * added.
   */
  readonly suggested: bigint;
}

/** A node replaces a transaction by one that offers at least this much more. */
const MIN_RAISE_PERCENT = 10n;
/**
 * Where the operator set no cap. Beyond this fees are not what keeps a transaction from being
 * mined: the chain stands still, or a node hides it.
 */
const MAX_TIMES_SUGGESTED = 10n;
/**
 * Of a least tip: what offers just that can still be replaced a few times. Not as often as of the
 * price, which may rise by itself.
 */
const MAX_TIMES_ADDED = 2n;

/** The most that may be offered now. */
export function decideCap({ suggested, maxFeePerGas }: AskedFees, cap: bigint | undefined): bigint {
  return cap ?? suggested * MAX_TIMES_SUGGESTED + (maxFeePerGas - suggested) * MAX_TIMES_ADDED;
}

/** @param cap see decideCap */
export function capFees(fees: LocalFees, cap: bigint): LocalFees {
  const maxFeePerGas = smaller(fees.maxFeePerGas, cap);
  const { maxPriorityFeePerGas: priority } = fees;
  return {
    maxFeePerGas,
    maxPriorityFeePerGas: priority === null ? null : smaller(priority, maxFeePerGas),
  };
}

/**
 * Fees for the same nonce once more: what the chain asks for, and at least so much above the old
 * ones that a node takes it in their place.
 * @returns undefined when that is not possible below the cap
 */
export function decideRaise(input: {
  readonly fees: LocalFees;
  readonly asked: LocalFees;
  readonly bumpPercent: number;
  readonly cap: bigint;
}): LocalFees | undefined {
  const { fees, asked, cap } = input;
  const percent = BigInt(input.bumpPercent);
  const { maxPriorityFeePerGas: priority } = fees;
  const raised = capFees(
    {
      maxFeePerGas: larger(raise(fees.maxFeePerGas, percent), asked.maxFeePerGas),
      maxPriorityFeePerGas:
        priority === null
          ? null
          : larger(raise(priority, percent), asked.maxPriorityFeePerGas ?? 0n),
    },
    cap,
  );
  const isEnough =
    raised.maxFeePerGas >= raise(fees.maxFeePerGas, MIN_RAISE_PERCENT) &&
    (priority === null ||
      (raised.maxPriorityFeePerGas ?? 0n) >= raise(priority, MIN_RAISE_PERCENT));
  return isEnough ? raised : undefined;
}

/** Rounded up, and never the same. */
function raise(fee: bigint, percent: bigint): bigint {
  return larger((fee * (100n + percent) + 99n) / 100n, fee + 1n);
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
