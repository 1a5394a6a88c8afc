import { toHex } from 'viem';
import { z } from 'zod';

/**
 * What a node may answer to the questions that we ask: only the fields that we use, everything else
 * is dropped and may be as it likes. A field that is needed and is not what the protocol says makes
 * the whole answer none; see createNodeTransport.ts. What comes out is spelled in one way: numbers
 * without leading zeros, hex in lower case.
 */

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const MAX_WORD = 2n ** 256n - 1n;
/**
 * Of one transaction. Some layer-2 chains count the fee of the layer below as gas, in hundreds of
 * millions.
 */
const MAX_GAS = 10n ** 12n;
/** A coin for each unit of gas: nothing could be paid at that price. */
const MAX_PRICE = 10n ** 18n;
/** The end of the year 9999: later ones are no date in the database. */
const MAX_TIMESTAMP = 253_402_300_799n;
/** The column's. */
const MAX_LOG_INDEX = 2n ** 31n - 1n;

const quantity = (max: bigint) =>
  z
    .string()
    .regex(/^0x[0-9a-f]{1,64}$/i, 'expected a number in hex')
    .transform((text) => BigInt(text))
    .refine((number) => number <= max, 'expected a smaller number')
    .transform((number) => toHex(number));

const bytes = (pattern: RegExp) =>
  z
    .string()
    .regex(pattern, 'expected bytes in hex')
    .transform((text) => text.toLowerCase());
const data = bytes(/^0x([0-9a-f]{2})*$/i);
const hash = bytes(/^0x[0-9a-f]{64}$/i);
const address = bytes(/^0x[0-9a-f]{40}$/i);

const blockNumber = quantity(MAX_SAFE);
const gas = quantity(MAX_GAS);
const price = quantity(MAX_PRICE);
/**
 * Where a price that cannot be read is as good as none: there is another way to learn it, and the
 * rest of the answer is worth having.
 */
const priceOrNone = price.nullish().catch(undefined);
/** As Arbitrum's nodes tell it: a part of `gasUsed`. */
const gasForDataOrNone = gas.nullish().catch(undefined);
/** As nodes of the OP stack tell it: wei that were paid beside what the gas cost. */
const feeApartOrNone = quantity(MAX_WORD).nullish().catch(undefined);

const block = z.object({
  /** null: a block that is not finished. */
  number: blockNumber.nullable(),
  hash: hash.nullable(),
  timestamp: quantity(MAX_TIMESTAMP),
  /** Absent on a chain without EIP-1559. */
  baseFeePerGas: price.nullish(),
});

const log = z.object({
  address,
  topics: z.array(hash).max(4),
  data,
  blockNumber,
  blockHash: hash,
  transactionHash: hash,
  logIndex: quantity(MAX_LOG_INDEX),
  removed: z
    .boolean()
    .nullish()
    .transform((removed) => removed === true),
});

/** Of a block that was replaced. Where it stood does not matter any more. */
const removedLog = z.looseObject({ removed: z.literal(true) });

const receipt = z
  .object({
    transactionHash: hash,
    blockNumber,
    blockHash: hash,
    status: quantity(1n),
    gasUsed: gas,
    effectiveGasPrice: priceOrNone,
    gasUsedForL1: gasForDataOrNone,
    l1Fee: feeApartOrNone,
    logs: z.array(log),
  })
  .refine(
    ({ transactionHash, blockHash, logs }) =>
      logs.every((one) => one.transactionHash === transactionHash && one.blockHash === blockHash),
    'expected the logs of its own transaction',
  );

/** Some nodes show a transaction that is in no block yet as a receipt without a block. */
const pendingReceipt = z
  .object({ blockNumber: z.null(), blockHash: z.null() })
  .transform(() => null);

const transaction = z.object({
  hash,
  /** null: it deploys a contract. */
  to: address.nullish(),
  input: data,
  gas,
  gasPrice: priceOrNone,
  maxFeePerGas: priceOrNone,
});

const feeHistory = z.object({
  oldestBlock: blockNumber,
  reward: z.array(z.array(price)).nullish(),
  gasUsedRatio: z.array(z.number()),
});

/** By method. Of a method that is not here, nothing is believed that could do harm. */
const ANSWERS: Readonly<Record<string, z.ZodType>> = {
  eth_blockNumber: blockNumber,
  eth_call: data,
  eth_chainId: quantity(MAX_SAFE),
  eth_estimateGas: gas,
  eth_feeHistory: feeHistory,
  eth_gasPrice: price,
  eth_getBalance: quantity(MAX_WORD),
  eth_getBlockByNumber: block.nullable(),
  eth_getCode: data,
  eth_getLogs: z
    .array(z.union([log, removedLog]))
    .transform((logs) => logs.filter((one) => !one.removed)),
  eth_getTransactionByHash: transaction.nullable(),
  eth_getTransactionCount: quantity(MAX_SAFE),
  eth_getTransactionReceipt: z.union([receipt, pendingReceipt]).nullable(),
  eth_maxPriorityFeePerGas: price,
  eth_sendRawTransaction: hash,
};

export type ReadAnswer = { readonly value: unknown } | { readonly problem: string };

/** @returns the answer as we use it, or what is wrong with it, without its contents */
export function readNodeAnswer(method: string, answer: unknown): ReadAnswer {
  const schema = ANSWERS[method];
  if (schema === undefined) return { value: answer };
  const read = schema.safeParse(answer);
  if (read.success) return { value: read.data };
  return { problem: read.error.issues.flatMap(describe).slice(0, 3).join('; ').slice(0, 200) };
}

/** Of alternatives, what the first one lacks: the others are rare. */
function describe(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_union')
    return (issue.errors[0] ?? []).flatMap((inner) =>
      describe({ ...inner, path: [...issue.path, ...inner.path] }),
    );
  return [`${issue.path.join('.') || 'the answer'}: ${issue.message}`];
}
