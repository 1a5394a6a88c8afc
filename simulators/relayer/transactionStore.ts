/**
 * The simulator's transactions: in memory, and appended to a file of JSON lines so that a restarted
 * simulator still knows them.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Address, Hex } from 'viem';
import type { TransactionTwist } from './faults.ts';

export const statuses = [
  'pending',
  'sent',
  'submitted',
  'inmempool',
  'mined',
  'confirmed',
  'failed',
  'expired',
] as const;
export type Status = (typeof statuses)[number];
export type Speed = 'safeLow' | 'average' | 'fast' | 'fastest';

/**
 * A transaction as the Defender API shows it. Prices, gasLimit and nonce are numbers there; value
 * and data are strings.
 */
export interface RelayerTransaction {
  transactionId: string;
  hash: Hex | null;
  to?: Address;
  from: Address;
  value?: string;
  data?: Hex;
  speed?: Speed;
  gasLimit: number;
  nonce?: number;
  status: Status;
  chainId: number;
  validUntil: string;
  createdAt: string;
  sentAt?: string;
  pricedAt?: string;
  isPrivate?: boolean;
  gasPrice?: number;
  maxFeePerGas?: number;
  maxPriorityFeePerGas?: number;
  signature?: { v: Hex; r: Hex; s: Hex };
  relayerId: string;
  /**
   * Set for good on a transaction that was first accepted as an intent; `pendingIntentSince` only
   * until it is sent.
   */
  isIntent?: true;
  pendingIntentSince?: string;
}

export interface StoredTransaction {
  /** Order of acceptance; also the cursor of the list. */
  sequence: number;
  shown: RelayerTransaction;
  twist: TransactionTwist;
  /** Every signed form it ever had, newest last; any of them may be the one that is mined. */
  signed: { hash: Hex; raw: Hex }[];
  /** The transaction that uses up the nonce once `validUntil` has passed. */
  noop?: { hash: Hex; raw: Hex };
  /** Set when the form that shows now was given to the chain. */
  isBroadcast: boolean;
  sendAt?: number;
  bumpAt?: number;
  minedAt?: string;
  /** It was mined, and did nothing. */
  isReverted?: boolean;
  minedBlockHash?: Hex;
  minedBlockNumber?: number;
}

interface Header {
  chainId: number;
  genesisHash: Hex;
  address: Address;
}

export interface TransactionStore {
  all(): StoredTransaction[];
  findById(id: string): StoredTransaction | undefined;
  findByNonce(nonce: number): StoredTransaction | undefined;
  nextSequence(): number;
  save(transaction: StoredTransaction): void;
  remove(transaction: StoredTransaction): void;
}

/**
 * Opens the file, if a path is given. What it holds about another chain (a development chain that
 * was begun anew) is put aside.
 */
export function openTransactionStore(path: string | undefined, header: Header): TransactionStore {
  const byId = new Map<string, StoredTransaction>();
  if (path !== undefined) {
    mkdirSync(dirname(path), { recursive: true });
    load(path, header, byId);
    // Written anew, one line a transaction: the lines of earlier states go.
    const lines = [header, ...byId.values()].map((value) => JSON.stringify(value));
    writeFileSync(`${path}.new`, lines.join('\n') + '\n', { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
  let sequence = Math.max(0, ...[...byId.values()].map((transaction) => transaction.sequence));
  const append = (value: unknown): void => {
    // Synchronous: it must be there before the chain or the caller hears of it.
    if (path !== undefined) appendFileSync(path, JSON.stringify(value) + '\n');
  };
  return {
    all: () => [...byId.values()],
    findById: (id) => byId.get(id),
    findByNonce: (nonce) =>
      [...byId.values()].findLast((transaction) => transaction.shown.nonce === nonce),
    nextSequence: () => ++sequence,
    save(transaction) {
      byId.set(transaction.shown.transactionId, transaction);
      append(transaction);
    },
    remove(transaction) {
      byId.delete(transaction.shown.transactionId);
      append({ removed: transaction.shown.transactionId });
    },
  };
}

function load(path: string, header: Header, byId: Map<string, StoredTransaction>): void {
  if (!existsSync(path)) return;
  const [first = '', ...lines] = readFileSync(path, 'utf8').split('\n');
  if (first !== JSON.stringify(header)) {
    renameSync(path, `${path}.other-chain`);
    return;
  }
  for (const line of lines) {
    let value: StoredTransaction | { removed: string };
    try {
      // Our own file: its shape is not checked again.
      value = JSON.parse(line) as StoredTransaction | { removed: string };
    } catch {
      // The empty end of the file, or a line cut short when the process was killed: nobody was told
      // about that change yet.
      continue;
    }
    if ('removed' in value) byId.delete(value.removed);
    else byId.set(value.shown.transactionId, value);
  }
}
