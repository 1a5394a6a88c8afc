import {
  BaseError,
  HttpRequestError,
  keccak256,
  RpcRequestError,
  TransactionReceiptNotFoundError,
  type PublicClient,
} from 'viem';

import { CHAIN_ERRORS } from '../../../domain/chain/errors.ts';
import { AppError } from '../../../shared/errors.ts';
import type { Address, Bytes32, Hex } from '../../../shared/hex.ts';
import type { RpcClients } from '../../chain/createRpcClients.ts';
import { NodeAnswerError } from '../../chain/NodeAnswerError.ts';
import type { AskedFees } from './localFees.ts';
import { readNamedMinimum, type LocalMinimum } from './localMinimum.ts';
import type { LocalTransaction } from './localModel.ts';

/** The account as one node sees it at one moment. */
export interface AccountView {
  /** How many of its transactions are in blocks: the first nonce that is not used. */
  readonly usedNonces: number;
  /** The same with the node's mempool; `usedNonces` where a node keeps that to itself. */
  readonly knownNonces: number;
}

/** What a node makes of a signed transaction. */
export type BroadcastOutcome =
  /** It has it, perhaps for long. */
  | { readonly kind: 'taken' }
  /** The nonce is used: the receipts tell by what. */
  | { readonly kind: 'nonceUsed' }
  /** It has one with this nonce that does not offer less by enough. */
  | { readonly kind: 'keepsOther' }
  /**
   * It keeps none that offers so little. What it named as its minimum is learned, unless that is
   * `tooMuch` to be offered.
   */
  | { readonly kind: 'underpriced'; readonly tooMuch?: bigint }
  | { readonly kind: 'poor' }
  /** Not one that could ever be mined. */
  | { readonly kind: 'invalid'; readonly reason: string }
  /** Words that we do not know: it may or may not have it. */
  | { readonly kind: 'unclear'; readonly reason: string }
  /** Likewise. */
  | { readonly kind: 'noAnswer' };

/** Geth, Nethermind, Erigon, Besu, Reth and Anvil, each in its own words. The first that fits. */
const REFUSALS: readonly (readonly [
  RegExp,
  Exclude<BroadcastOutcome['kind'], 'unclear' | 'noAnswer'>,
])[] = [
  [/already[ _]?(known|imported|exists|in)|\bknown transaction/i, 'taken'],
  [/nonce[ _](is )?too[ _]low|old[ _]?nonce|nonce below/i, 'nonceUsed'],
  [/replacement|ReplacementNotAllowed/i, 'keepsOther'],
  [/insufficient[ _]?(funds|balance)|upfront cost/i, 'poor'],
  [
    /intrinsic gas|floor data gas|block gas limit|gas[ _]?limit[ _]?(is )?(too[ _]high|exceed)|exceeds transaction gas limit|oversized|gas uint64/i,
    'invalid',
  ],
  [
    /underpriced|fee ?(cap)? ?(per gas)? (is )?(too low|less than)|less than block base fee|gas ?price (is )?(too low|below)|FeeTooLow|tip needed|gas tip cap|priority fee.*(too low|below|less than|lower than)|below (the )?(configured )?minimum|minimal gas price/i,
    'underpriced',
  ],
];

/**
 * Twice the base fee: it may rise for six full blocks in a row (an eighth each) before the
 * transaction has to wait.
 */
const BASE_FEE_TIMES = 2n;
/** 20, in hex. */
const HISTORY_BLOCKS = '0x14';

export interface LocalNode {
  /** @throws AppError `CHAIN_ERRORS.unavailable`, as all of these do */
  readAccount(): Promise<AccountView & { readonly balance: bigint; readonly asked: AskedFees }>;
  /**
   * The account, and of those transactions whose nonces are used the hash that is in a block, by
   * id, all by one node's word.
   */
  look(
    transactions: readonly LocalTransaction[],
  ): Promise<AccountView & { readonly mined: ReadonlyMap<string, Bytes32> }>;
  /** At least the known minimum, as in `readAccount`. */
  readFees(): Promise<AskedFees>;
  /**
   * Of a transaction that is not mined for the fees that the node suggests: what others pay is
   * learned as the minimum. Never throws.
   */
  learnPaidTip(): Promise<void>;
  /** Wei. */
  readBalance(): Promise<bigint>;
  /** What it takes to send nothing to ourselves; not 21,000 everywhere. */
  estimateNoopGas(): Promise<bigint>;
  /** Never throws: every way it may fail is an outcome. */
  broadcast(raw: Hex): Promise<BroadcastOutcome>;
}

/** What the relayer asks of the chain about its account. */
export function createLocalNode(
  rpc: RpcClients,
  { address }: { address: Address },
  minimum: LocalMinimum,
): LocalNode {
  const askNode = <T>(work: (client: PublicClient) => Promise<T>): Promise<T> =>
    rpc.askOneNode(work);

  async function viewAccount(client: PublicClient): Promise<AccountView> {
    const [usedNonces, pending] = await Promise.all([
      client.getTransactionCount({ address, blockTag: 'latest' }),
      client.getTransactionCount({ address, blockTag: 'pending' }),
    ]);
    return { usedNonces, knownNonces: Math.max(usedNonces, pending) };
  }

  function learnFrom(refusal: unknown): BroadcastOutcome {
    const named = readNamedMinimum(findWords(refusal) ?? '');
    if (named === undefined || minimum.learn(named.of, named.wei)) return { kind: 'underpriced' };
    return { kind: 'underpriced', tooMuch: named.wei };
  }

  return {
    readAccount: () =>
      askNode(async (client) => {
        const [view, balance, asked] = await Promise.all([
          viewAccount(client),
          client.getBalance({ address }),
          readFees(client),
        ]);
        return { ...view, balance, asked: minimum.lift(asked) };
      }),

    look: (transactions) =>
      askNode(async (client) => {
        const view = await viewAccount(client);
        const mined = new Map<string, Bytes32>();
        for (const { id, nonce, minedHash, hashes, noopHashes } of transactions) {
          if (nonce >= view.usedNonces) continue;
          const likeliestFirst = [
            ...(minedHash === null ? [] : [minedHash]),
            ...[...noopHashes].reverse(),
            ...[...hashes].reverse(),
          ];
          for (const hash of new Set(likeliestFirst)) {
            if (await isMined(client, hash)) {
              mined.set(id, hash);
              break;
            }
          }
        }
        return { ...view, mined };
      }),

    readFees: () => askNode(async (client) => minimum.lift(await readFees(client))),

    async learnPaidTip() {
      try {
        const tip = await askNode((client) => readPaidTip(client, address));
        if (tip > 0n) minimum.learn('tip', tip);
      } catch (error) {
        // Not every node keeps a history of fees.
        if (!(error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code))
          throw error;
      }
    },

    readBalance: () => askNode((client) => client.getBalance({ address })),

    estimateNoopGas: () =>
      askNode((client) => client.estimateGas({ account: address, to: address, value: 0n })),

    async broadcast(raw) {
      // A URL that gave no clear answer may have taken what the next one refuses.
      let doubt: BroadcastOutcome | undefined;
      try {
        const outcome = await askNode(async (client): Promise<BroadcastOutcome> => {
          try {
            const hash = await client.sendRawTransaction({ serializedTransaction: raw });
            if (hash !== keccak256(raw))
              throw new NodeAnswerError('eth_sendRawTransaction', 'another transaction');
            return { kind: 'taken' };
          } catch (error) {
            const refusal = classify(error);
            if (refusal !== undefined)
              return refusal.kind === 'underpriced' ? learnFrom(error) : refusal;
            const words = findWords(error);
            doubt =
              words === undefined
                ? (doubt ?? { kind: 'noAnswer' })
                : { kind: 'unclear', reason: words };
            throw error;
          }
        });
        return outcome.kind === 'invalid' ? (doubt ?? outcome) : outcome;
      } catch (error) {
        if (error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code)
          return doubt ?? { kind: 'noAnswer' };
        throw error;
      }
    },
  };
}

async function readFees(client: PublicClient): Promise<AskedFees> {
  const { baseFeePerGas } = await client.getBlock({ blockTag: 'latest' });
  if (baseFeePerGas === null) {
    const suggested = await client.getGasPrice();
    return { baseFeePerGas: 0n, maxFeePerGas: suggested, maxPriorityFeePerGas: null, suggested };
  }
  const maxPriorityFeePerGas = await client.estimateMaxPriorityFeePerGas();
  const suggested = baseFeePerGas * BASE_FEE_TIMES + maxPriorityFeePerGas;
  return { baseFeePerGas, maxFeePerGas: suggested, maxPriorityFeePerGas, suggested };
}

/**
 * Of the cheapest tenth in each of the last blocks, the one in the middle; 0 when nothing is told.
 * A block with a transaction of the account tells nothing: what the account offered would be
 * learned as what others pay, raised, and learned again.
 */
async function readPaidTip(client: PublicClient, address: Address): Promise<bigint> {
  const history = await client.request({
    method: 'eth_feeHistory',
    params: [HISTORY_BLOCKS, 'latest', [10]],
  });
  const first = BigInt(history.oldestBlock);
  const paid = (history.reward ?? []).flatMap(([tip], index) =>
    // An empty block says nothing.
    tip === undefined || history.gasUsedRatio[index] === 0
      ? []
      : [{ tip: BigInt(tip), block: first + BigInt(index) }],
  );
  const [oldest, newest] = [paid[0], paid.at(-1)];
  if (oldest === undefined || newest === undefined) return 0n;
  const countUntil = async (blockNumber: bigint) =>
    blockNumber < 0n ? 0 : client.getTransactionCount({ address, blockNumber });
  const hasOurs = async (from: bigint, to: bigint) =>
    (await countUntil(from - 1n)) !== (await countUntil(to));
  const mayHaveOurs = await hasOurs(oldest.block, newest.block);
  const ofOthers: bigint[] = [];
  for (const { tip, block } of paid)
    if (!mayHaveOurs || !(await hasOurs(block, block))) ofOthers.push(tip);
  ofOthers.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return ofOthers[Math.floor(ofOthers.length / 2)] ?? 0n;
}

async function isMined(client: PublicClient, hash: Bytes32): Promise<boolean> {
  try {
    await client.getTransactionReceipt({ hash });
    return true;
  } catch (error) {
    if (error instanceof TransactionReceiptNotFoundError) return false;
    throw error;
  }
}

/** @returns undefined when the answer does not tell what became of it */
function classify(error: unknown): BroadcastOutcome | undefined {
  const reason = findWords(error);
  const refusal = reason === undefined ? undefined : REFUSALS.find(([words]) => words.test(reason));
  if (reason === undefined || refusal === undefined) return undefined;
  const [, kind] = refusal;
  return kind === 'invalid' ? { kind, reason } : { kind };
}

/** What the node itself said; undefined when it did not get to that. */
function findWords(error: unknown): string | undefined {
  if (!(error instanceof BaseError)) return undefined;
  // Some providers put the node's words into the body of an HTTP error.
  const answer = error.walk(
    (cause) =>
      cause instanceof RpcRequestError ||
      (cause instanceof HttpRequestError && cause.status !== undefined),
  );
  if (!(answer instanceof BaseError)) return undefined;
  // An error may come without words, whatever its type says.
  const words: unknown = answer.details;
  return typeof words === 'string' ? words.slice(0, 200) : undefined;
}
