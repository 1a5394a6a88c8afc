import { BaseError, HttpRequestError, RpcRequestError, TransactionReceiptNotFoundError, type PublicClient } from 'viem';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import type { RpcClients } from '../chain/createRpcClients.ts';
import type { AskedFees } from './localFees.ts';
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
  /** It keeps none that offers so little. */
  | { readonly kind: 'underpriced' }
  | { readonly kind: 'poor' }
  /** Not one that could ever be mined. */
  | { readonly kind: 'invalid'; readonly reason: string }
  /** Words that we do not know: it may or may not have it. */
  | { readonly kind: 'unclear'; readonly reason: string }
  /** Likewise. */
  | { readonly kind: 'noAnswer' };

/** Geth, Nethermind, Erigon, Besu, Reth and Anvil, each in its own words. The first that fits. */
const REFUSALS: readonly (readonly [RegExp, Exclude<BroadcastOutcome['kind'], 'unclear' | 'noAnswer'>])[] = [
  [/already[ _]?(known|imported|exists|in)|\bknown transaction/i, 'taken'],
  [/nonce[ _](is )?too[ _]low|old[ _]?nonce|nonce below/i, 'nonceUsed'],
  [/replacement|ReplacementNotAllowed/i, 'keepsOther'],
  [/insufficient[ _]?(funds|balance)|upfront cost/i, 'poor'],
  [
    /intrinsic gas|floor data gas|block gas limit|gas[ _]?limit[ _]?(is )?(too[ _]high|exceed)|exceeds transaction gas limit|oversized|gas uint64/i,
    'invalid',
  ],
  [
    /underpriced|fee ?(cap)? ?(per gas)? (is )?(too low|less than)|less than block base fee|gas ?price (is )?(too low|below)|FeeTooLow/i,
    'underpriced',
  ],
];

/** Twice the base fee: it may rise for six full blocks in a row (an eighth each) before the transaction has to wait. */
const BASE_FEE_TIMES = 2n;

export interface LocalNode {
  /** @throws AppError `CHAIN_ERRORS.unavailable`, as all of these do */
  readAccount(): Promise<AccountView & { readonly balance: bigint; readonly asked: AskedFees }>;
  /**
   * The account, and of those transactions whose nonces are used the hash that is in a block, by id, all by one node's word.
   */
  look(transactions: readonly LocalTransaction[]): Promise<AccountView & { readonly mined: ReadonlyMap<string, Bytes32> }>;
  readFees(): Promise<AskedFees>;
  /** Wei. */
  readBalance(): Promise<bigint>;
  /** What it takes to send nothing to ourselves; not 21,000 everywhere. */
  estimateNoopGas(): Promise<bigint>;
  /** Never throws: every way it may fail is an outcome. */
  broadcast(raw: Hex): Promise<BroadcastOutcome>;
}

/** What the relayer asks of the chain about its account. */
export function createLocalNode(rpc: RpcClients, { address }: { address: Address }): LocalNode {
  const askNode = <T>(work: (client: PublicClient) => Promise<T>): Promise<T> => rpc.askOneNode(work);

  async function viewAccount(client: PublicClient): Promise<AccountView> {
    const [usedNonces, pending] = await Promise.all([
      client.getTransactionCount({ address, blockTag: 'latest' }),
      client.getTransactionCount({ address, blockTag: 'pending' }),
    ]);
    return { usedNonces, knownNonces: Math.max(usedNonces, pending) };
  }

  return {
    readAccount: () =>
      askNode(async (client) => {
        const [view, balance, asked] = await Promise.all([viewAccount(client), client.getBalance({ address }), readFees(client)]);
        return { ...view, balance, asked };
      }),

    look: (transactions) =>
      askNode(async (client) => {
        const view = await viewAccount(client);
        const mined = new Map<string, Bytes32>();
        for (const { id, nonce, minedHash, hashes, noopHashes } of transactions) {
          if (nonce >= view.usedNonces) continue;
          const likeliestFirst = [...(minedHash === null ? [] : [minedHash]), ...[...noopHashes].reverse(), ...[...hashes].reverse()];
          for (const hash of new Set(likeliestFirst)) {
            if (await isMined(client, hash)) {
              mined.set(id, hash);
              break;
            }
          }
        }
        return { ...view, mined };
      }),

    readFees: () => askNode(readFees),

    readBalance: () => askNode((client) => client.getBalance({ address })),

    estimateNoopGas: () => askNode((client) => client.estimateGas({ account: address, to: address, value: 0n })),

    async broadcast(raw) {
      // A URL that gave no clear answer may have taken what the next one refuses.
      let doubt: BroadcastOutcome | undefined;
      try {
        const outcome = await askNode(async (client): Promise<BroadcastOutcome> => {
          try {
            await client.sendRawTransaction({ serializedTransaction: raw });
            return { kind: 'taken' };
          } catch (error) {
            const refusal = classify(error);
            if (refusal !== undefined) return refusal;
            const words = findWords(error);
            doubt = words === undefined ? (doubt ?? { kind: 'noAnswer' }) : { kind: 'unclear', reason: words };
            throw error;
          }
        });
        return outcome.kind === 'invalid' ? (doubt ?? outcome) : outcome;
      } catch (error) {
        if (error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code) return doubt ?? { kind: 'noAnswer' };
        throw error;
      }
    },
  };
}

async function readFees(client: PublicClient): Promise<AskedFees> {
  const { baseFeePerGas } = await client.getBlock({ blockTag: 'latest' });
  if (baseFeePerGas === null) {
    return { baseFeePerGas: 0n, maxFeePerGas: await client.getGasPrice(), maxPriorityFeePerGas: null };
  }
  const maxPriorityFeePerGas = await client.estimateMaxPriorityFeePerGas();
  return { baseFeePerGas, maxFeePerGas: baseFeePerGas * BASE_FEE_TIMES + maxPriorityFeePerGas, maxPriorityFeePerGas };
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
    (cause) => cause instanceof RpcRequestError || (cause instanceof HttpRequestError && cause.status !== undefined),
  );
  return answer instanceof BaseError ? answer.details.slice(0, 200) : undefined;
}
