/**
 * The account behind the simulated Defender: gives out nonces, signs, sends, and follows what becomes of each transaction.
 *
 * Statuses, as Defender defines them:
 *   pending (an intent, not signed yet) → sent (signed, queued) → submitted (given to the chain) → inmempool → mined → confirmed
 *   expired: validUntil passed and a no-op took the nonce · failed: cannot be processed, such as a nonce that something else used up
 * A transaction that was mined and reverted is `mined`, then `confirmed`: Defender does not judge what it did.
 * A reorganisation may take `mined` back; the transaction is then sent again.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BaseError,
  RpcRequestError,
  createPublicClient,
  http,
  isAddress,
  isHex,
  keccak256,
  parseSignature,
  parseTransaction,
  toHex,
  concat,
} from 'viem';
import type { Address, Hex, PublicClient, TransactionSerialized } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { TransactionTwist } from './faults.ts';
import { openTransactionStore } from './transactionStore.ts';
import type { RelayerTransaction, Speed, Status, StoredTransaction } from './transactionStore.ts';

/** Refused as the API would: `status` is the HTTP status. */
export class RelayerError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface RelayerOptions {
  rpcUrl: string;
  chainId: number;
  privateKey: Hex;
  statePath?: string;
  pollMs: number;
  /** Blocks, the transaction's own included, after which it is `confirmed`. */
  confirmations: number;
  log: (line: string) => void;
}

export interface ListQuery {
  status: string | null;
  since: string | null;
  limit: string | null;
  sort: string | null;
  next: string | null;
}

export interface Relayer {
  readonly address: Address;
  send(body: unknown, twist: TransactionTwist): Promise<RelayerTransaction>;
  /** `key`: a transaction id, or a nonce in digits. */
  get(key: string): RelayerTransaction;
  list(query: ListQuery): { items: RelayerTransaction[]; next?: string };
  replace(key: string, body: unknown): Promise<RelayerTransaction>;
  cancel(key: string): Promise<{ message: string }>;
  describe(isPaused: boolean): Promise<Record<string, unknown>>;
  describeStatus(isPaused: boolean): Promise<Record<string, unknown>>;
  sign(body: unknown): Promise<Record<string, unknown>>;
  signTypedData(body: unknown): Promise<Record<string, unknown>>;
  jsonRpc(body: unknown): Promise<Record<string, unknown>>;
  transactions(): StoredTransaction[];
  close(): Promise<void>;
}

interface Payload {
  to?: Address;
  value?: bigint;
  data?: Hex;
  gasLimit: number;
  validUntil: string;
  isPrivate?: boolean;
  speed?: Speed;
  gasPrice?: number;
  maxFeePerGas?: number;
  maxPriorityFeePerGas?: number;
}

const defaultValidityMs = 8 * 60 * 60 * 1000;

/** Tip in wei, by speed. Only their order matters on a development chain. */
const tips: Record<Speed, number> = { safeLow: 1e9, average: 1.5e9, fast: 2e9, fastest: 3e9 };

/** Each status that the list's filter knows, and what it stands for. */
const statusGroups: Record<string, readonly Status[]> = {
  pending: ['pending', 'sent', 'submitted', 'inmempool'],
  mined: ['mined', 'confirmed'],
  failed: ['failed'],
  expired: ['expired'],
};

const finalStatuses: readonly Status[] = ['confirmed', 'failed', 'expired'];
const unminedStatuses: readonly Status[] = ['pending', 'sent', 'submitted', 'inmempool'];

export async function createRelayer(options: RelayerOptions): Promise<Relayer> {
  const { chainId, pollMs, confirmations, log } = options;
  const account = privateKeyToAccount(options.privateKey);
  // No retries and no cache: the relayer decides itself when to ask again, and wants to know what is so now.
  const client = createPublicClient({ transport: http(options.rpcUrl, { retryCount: 0, timeout: 10_000 }), cacheTime: 0 });
  const genesisHash = await readGenesis(client, chainId);
  await fundOnAnvil(client, account.address, log);
  const store = openTransactionStore(options.statePath, { chainId, genesisHash, address: account.address });
  const open = new Set(store.all().filter((transaction) => !finalStatuses.includes(transaction.shown.status)));
  // The same after a restart.
  const relayerId = keccak256(account.address)
    .slice(2)
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
  const createdAt = new Date().toISOString();
  let sends = 0;
  let rpcCalls = 0;

  // ---- One at a time: nonces are given out, and forms signed, in here only ---------------------------------------------------------

  let queue: Promise<unknown> = Promise.resolve();
  const exclusively = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work);
    // The next goes ahead even if this one failed; whoever asked for this one gets the error.
    queue = result.catch(() => undefined);
    return result;
  };

  const save = (transaction: StoredTransaction): void => {
    if (finalStatuses.includes(transaction.shown.status)) open.delete(transaction);
    else open.add(transaction);
    store.save(transaction);
  };
  const setStatus = (transaction: StoredTransaction, status: Status): void => {
    if (transaction.shown.status === status) return;
    log(`${transaction.shown.transactionId} ${transaction.shown.status} → ${status} ${transaction.shown.hash ?? ''}`);
    transaction.shown.status = status;
    save(transaction);
  };

  const unmined = (): StoredTransaction[] => [...open].filter((transaction) => unminedStatuses.includes(transaction.shown.status));

  /** From the chain each time, so that it cannot drift, plus what we signed and the chain does not know yet. */
  async function chooseNonce(): Promise<number> {
    const onChain = await client.getTransactionCount({ address: account.address, blockTag: 'pending' });
    const held = unmined().filter((transaction) => transaction.twist.releaseNonce !== true);
    return Math.max(onChain, ...held.map((transaction) => (transaction.shown.nonce ?? -1) + 1));
  }

  async function priceOf(
    payload: Partial<Payload>,
  ): Promise<Pick<RelayerTransaction, 'gasPrice' | 'maxFeePerGas' | 'maxPriorityFeePerGas'>> {
    if (payload.gasPrice !== undefined) return { gasPrice: payload.gasPrice };
    if (payload.maxFeePerGas !== undefined && payload.maxPriorityFeePerGas !== undefined)
      return { maxFeePerGas: payload.maxFeePerGas, maxPriorityFeePerGas: payload.maxPriorityFeePerGas };
    const block = await client.getBlock({ blockTag: 'latest' });
    const tip = tips[payload.speed ?? 'fast'];
    return { maxFeePerGas: Number(block.baseFeePerGas ?? 0n) * 2 + tip, maxPriorityFeePerGas: tip };
  }

  async function signForm(
    form: Pick<RelayerTransaction, 'to' | 'value' | 'data' | 'gasLimit' | 'nonce' | 'gasPrice' | 'maxFeePerGas' | 'maxPriorityFeePerGas'>,
  ): Promise<{ hash: Hex; raw: Hex }> {
    const common = {
      chainId,
      nonce: form.nonce ?? 0,
      gas: BigInt(form.gasLimit),
      value: BigInt(form.value ?? 0),
      to: form.to ?? null,
      ...(form.data === undefined ? {} : { data: form.data }),
    };
    const raw =
      form.gasPrice === undefined
        ? await account.signTransaction({
            ...common,
            type: 'eip1559',
            maxFeePerGas: BigInt(form.maxFeePerGas ?? 0),
            maxPriorityFeePerGas: BigInt(form.maxPriorityFeePerGas ?? 0),
          })
        : await account.signTransaction({ ...common, type: 'legacy', gasPrice: BigInt(form.gasPrice) });
    return { hash: keccak256(raw), raw };
  }

  /** Gives the transaction as it shows now a signature, and makes that its current form. */
  async function signCurrent(transaction: StoredTransaction): Promise<void> {
    const form = await signForm(transaction.shown);
    const { v, r, s, yParity } = parseTransaction(form.raw as TransactionSerialized);
    transaction.signed.push(form);
    transaction.isBroadcast = false;
    Object.assign(transaction.shown, {
      hash: form.hash,
      signature: { v: toHex(v ?? BigInt(27 + (yParity ?? 0))), r: r ?? '0x', s: s ?? '0x' },
      pricedAt: new Date().toISOString(),
    });
  }

  type Broadcast = 'accepted' | 'nonceTooLow' | 'rejected' | 'unreachable';

  async function sendRaw(raw: Hex): Promise<Broadcast> {
    try {
      await client.request({ method: 'eth_sendRawTransaction', params: [raw] });
      return 'accepted';
    } catch (error) {
      const answer = error instanceof BaseError ? error.walk((cause) => cause instanceof RpcRequestError) : null;
      if (!(answer instanceof RpcRequestError)) {
        log(`the chain does not answer: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`);
        return 'unreachable';
      }
      if (/already (known|imported)/i.test(answer.details)) return 'accepted';
      log(`the chain refused a transaction: ${answer.details}`);
      return /nonce too low/i.test(answer.details) ? 'nonceTooLow' : 'rejected';
    }
  }

  async function broadcastCurrent(transaction: StoredTransaction): Promise<Broadcast> {
    const { twist } = transaction;
    const form = transaction.signed.at(-1);
    if (form === undefined || twist.broadcast === 'never') return 'accepted';
    if (twist.broadcast === 'dropped') {
      // A chain that mines at once leaves no time to drop anything: it is lost on the way there.
      const isMiningAtOnce = await requestAnvil<boolean>(client, 'anvil_getAutomine', []);
      if (isMiningAtOnce === false && (await sendRaw(form.raw)) === 'accepted')
        await requestAnvil(client, 'anvil_dropTransaction', [form.hash]);
      transaction.isBroadcast = true;
      setStatus(transaction, 'submitted');
      return 'accepted';
    }
    const result = await sendRaw(form.raw);
    if (result !== 'accepted') return result;
    transaction.isBroadcast = true;
    if (transaction.shown.status === 'sent') setStatus(transaction, 'submitted');
    else save(transaction);
    return result;
  }

  /** Nonce, price, signature, and off to the chain. */
  async function dispatch(transaction: StoredTransaction, payload: Partial<Payload>): Promise<RelayerTransaction> {
    const { shown } = transaction;
    Object.assign(shown, await priceOf(payload));
    if (transaction.twist.releaseNonce === true) makeUnique(transaction);
    await requireFunds(transaction);
    for (let attempt = 1; ; attempt++) {
      shown.nonce = await chooseNonce();
      await signCurrent(transaction);
      shown.sentAt = new Date().toISOString();
      shown.status = 'sent';
      // Before the chain has it: should we be killed now, the next start finds it and sends it.
      save(transaction);
      const answer = { ...shown };
      const result = await broadcastCurrent(transaction);
      if (result === 'nonceTooLow' && attempt < 5) {
        // Somebody else used this key: what was signed can never be mined, so it is forgotten and signed anew.
        transaction.signed.pop();
        continue;
      }
      // The caller has its answer when the transaction is signed; what the chain said shows in the status.
      if (result === 'nonceTooLow' || result === 'rejected') setStatus(transaction, 'failed');
      return answer;
    }
  }

  async function requireFunds(transaction: StoredTransaction): Promise<void> {
    const balance = await client.getBalance({ address: account.address });
    const reserved = unmined()
      .filter((other) => other !== transaction)
      .reduce((sum, other) => sum + costOf(other.shown), 0n);
    if (costOf(transaction.shown) > balance - reserved) throw new RelayerError(400, 'insufficient funds for gas * price + value');
  }

  // ---- Following ------------------------------------------------------------------------------------------------------------------

  const checkedAt = new WeakMap<StoredTransaction, Hex>();

  async function follow(): Promise<void> {
    if (open.size === 0) return;
    const latest = await client.getBlock({ blockTag: 'latest' });
    const usedNonces = await client.getTransactionCount({ address: account.address, blockTag: 'latest' });
    const due = [...open].filter((transaction) => transaction.signed.length > 0 && checkedAt.get(transaction) !== latest.hash);
    for (let start = 0; start < due.length; start += 20) {
      await Promise.all(due.slice(start, start + 20).map((transaction) => observe(transaction, latest, usedNonces)));
    }
    const now = Date.now();
    for (const transaction of [...open]) {
      const { shown } = transaction;
      if (!unminedStatuses.includes(shown.status)) continue;
      const isExpired = Date.parse(shown.validUntil) <= now;
      const isBumpDue = transaction.bumpAt !== undefined && transaction.bumpAt <= now;
      const isIntentDue = shown.status === 'pending' && (isExpired || (transaction.sendAt ?? 0) <= now);
      const isResendDue = shown.status !== 'pending' && !transaction.isBroadcast && transaction.twist.broadcast === undefined;
      if (isExpired || isBumpDue || isIntentDue || isResendDue) await exclusively(() => act(transaction));
    }
  }

  async function observe(transaction: StoredTransaction, latest: { hash: Hex; number: bigint }, usedNonces: number): Promise<void> {
    const { shown } = transaction;
    const forms = transaction.signed.map((form) => form.hash).reverse();
    const receipts = await Promise.all([...forms, ...(transaction.noop === undefined ? [] : [transaction.noop.hash])].map(findReceipt));
    const receipt = receipts.find((found) => found !== null);
    // A form signed while we asked is not among those asked about: next time.
    if (forms.length === transaction.signed.length) checkedAt.set(transaction, latest.hash);
    if (receipt !== undefined && receipt !== null) {
      if (receipt.transactionHash === transaction.noop?.hash) {
        setStatus(transaction, 'expired');
        return;
      }
      const blockNumber = Number(receipt.blockNumber);
      shown.hash = receipt.transactionHash;
      if (transaction.minedBlockHash !== receipt.blockHash) {
        Object.assign(transaction, { minedAt: new Date().toISOString(), minedBlockHash: receipt.blockHash, minedBlockNumber: blockNumber });
      }
      delete transaction.bumpAt;
      setStatus(transaction, Number(latest.number) - blockNumber + 1 >= confirmations ? 'confirmed' : 'mined');
      return;
    }
    if (shown.status === 'mined') {
      log(`${shown.transactionId} is no longer in the chain`);
      delete transaction.minedAt;
      delete transaction.minedBlockHash;
      delete transaction.minedBlockNumber;
      transaction.isBroadcast = false;
      shown.status = 'sent';
      save(transaction);
      return;
    }
    if (transaction.twist.broadcast !== undefined) return;
    // The count was read before the receipts: had one of our forms used the nonce, its receipt would have been there.
    if (shown.nonce !== undefined && shown.nonce < usedNonces) {
      setStatus(transaction, 'failed');
      return;
    }
    if (!transaction.isBroadcast || shown.hash === null) return;
    const isKnown = (await client.request({ method: 'eth_getTransactionByHash', params: [shown.hash] })) !== null;
    if (isKnown) {
      if (shown.status === 'submitted') setStatus(transaction, 'inmempool');
    } else {
      // The node lost it (a restart, say).
      transaction.isBroadcast = false;
    }
  }

  async function findReceipt(hash: Hex): Promise<{ transactionHash: Hex; blockHash: Hex; blockNumber: Hex } | null> {
    return client.request({ method: 'eth_getTransactionReceipt', params: [hash] });
  }

  /** What is due for a transaction that is not mined. Under the lock; looks again whether it still is due. */
  async function act(transaction: StoredTransaction): Promise<void> {
    const { shown, twist } = transaction;
    if (!unminedStatuses.includes(shown.status) || !open.has(transaction)) return;
    const now = Date.now();
    const isExpired = Date.parse(shown.validUntil) <= now;
    if (shown.status === 'pending') {
      if (isExpired) setStatus(transaction, 'expired');
      else if ((transaction.sendAt ?? 0) <= now) await sendIntent(transaction);
      return;
    }
    if (isExpired) {
      if (twist.releaseNonce === true) setStatus(transaction, 'expired');
      else if (transaction.noop === undefined) await sendNoop(transaction);
      return;
    }
    if (transaction.bumpAt !== undefined && transaction.bumpAt <= now) {
      delete transaction.bumpAt;
      await raiseFee(transaction);
    } else if (!transaction.isBroadcast && twist.broadcast === undefined) {
      await broadcastCurrent(transaction);
      checkedAt.delete(transaction);
    }
  }

  async function sendIntent(transaction: StoredTransaction): Promise<void> {
    const { shown } = transaction;
    try {
      await dispatch(transaction, { ...(shown.speed === undefined ? {} : { speed: shown.speed }), ...pricesIn(shown) });
    } catch (error) {
      if (!(error instanceof RelayerError)) throw error;
      log(`${shown.transactionId}: ${error.message}`);
      shown.status = 'failed';
    }
    delete shown.pendingIntentSince;
    save(transaction);
  }

  async function raiseFee(transaction: StoredTransaction): Promise<void> {
    const { shown } = transaction;
    const before = { ...shown };
    Object.assign(shown, raisePrices(pricesIn(shown), {}));
    await signCurrent(transaction);
    save(transaction);
    const result = await broadcastCurrent(transaction);
    if (result === 'accepted' || result === 'unreachable') return;
    // Mined in this moment, most likely: the earlier form is the one that counts.
    transaction.signed.pop();
    Object.assign(shown, before);
    transaction.isBroadcast = true;
    save(transaction);
  }

  async function sendNoop(transaction: StoredTransaction): Promise<void> {
    const { shown } = transaction;
    const prices = raisePrices(
      pricesIn(shown),
      await priceOf(shown.gasPrice === undefined ? { speed: 'fastest' } : { gasPrice: shown.gasPrice }),
    );
    const form = await signForm({
      ...prices,
      ...(shown.nonce === undefined ? {} : { nonce: shown.nonce }),
      to: account.address,
      gasLimit: 21_000,
    });
    transaction.noop = form;
    save(transaction);
    log(`${shown.transactionId} has expired: a no-op takes its nonce ${String(shown.nonce)}`);
    const result = await sendRaw(form.raw);
    // Tried again at the next round, or found mined there.
    if (result !== 'accepted') delete transaction.noop;
    checkedAt.delete(transaction);
    save(transaction);
  }

  let isClosed = false;
  const closing = new AbortController();
  const following = (async () => {
    while (!isClosed) {
      try {
        await follow();
      } catch (error) {
        log(`following the transactions: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`);
      }
      // Rejects only when we close.
      await sleep(pollMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    }
  })();

  // ---- What the API offers ----------------------------------------------------------------------------------------------------------

  const findByKey = (key: string): StoredTransaction => {
    const found = /^\d+$/.test(key) ? store.findByNonce(Number(key)) : store.findById(key);
    if (found === undefined) throw new RelayerError(404, `Transaction ${key} not found`);
    return found;
  };
  const requireUnmined = (transaction: StoredTransaction): void => {
    if (!unminedStatuses.includes(transaction.shown.status))
      throw new RelayerError(400, `Transaction ${transaction.shown.transactionId} is already ${transaction.shown.status}`);
  };

  return {
    address: account.address,

    send(body, twist) {
      const payload = parsePayload(body, chainId);
      sends += 1;
      return exclusively(async () => {
        const { value, ...rest } = payload;
        const now = new Date();
        const transaction: StoredTransaction = {
          sequence: store.nextSequence(),
          shown: {
            transactionId: randomUUID(),
            hash: null,
            ...rest,
            ...(value === undefined ? {} : { value: toHex(value) }),
            ...(hasFixedPrice(payload) ? {} : { speed: payload.speed ?? 'fast' }),
            from: account.address,
            status: 'pending',
            chainId,
            createdAt: now.toISOString(),
            isPrivate: payload.isPrivate ?? false,
            relayerId,
          },
          twist,
          signed: [],
          isBroadcast: false,
          ...(twist.bumpAfterMs === undefined ? {} : { bumpAt: now.getTime() + twist.bumpAfterMs }),
        };
        if (twist.intentForMs === undefined) return dispatch(transaction, payload);
        transaction.sendAt = now.getTime() + twist.intentForMs;
        Object.assign(transaction.shown, { isIntent: true, pendingIntentSince: now.toISOString() });
        save(transaction);
        return { ...transaction.shown };
      });
    },

    get: (key) => ({ ...findByKey(key).shown }),

    list({ status, since, limit, sort, next }) {
      const wanted = status === null ? undefined : statusGroups[status];
      if (status !== null && wanted === undefined) throw new RelayerError(400, `Unknown status ${status}`);
      const size = limit === null ? 100 : Number(limit);
      if (!Number.isInteger(size) || size < 1) throw new RelayerError(400, 'limit must be a positive number');
      const from = since === null ? 0 : Date.parse(since);
      if (Number.isNaN(from)) throw new RelayerError(400, 'since must be a date');
      const isAscending = sort === 'asc';
      const cursor = next === null || next === '' ? undefined : Number(Buffer.from(next, 'base64url').toString());
      const matching = store
        .all()
        .filter(({ shown }) => (wanted === undefined || wanted.includes(shown.status)) && Date.parse(shown.createdAt) >= from)
        .filter(({ sequence }) => cursor === undefined || (isAscending ? sequence > cursor : sequence < cursor))
        .sort((a, b) => (isAscending ? a.sequence - b.sequence : b.sequence - a.sequence));
      const page = matching.slice(0, size);
      const last = page.at(-1);
      return {
        items: page.map(({ shown }) => ({ ...shown })),
        ...(matching.length > size && last !== undefined ? { next: Buffer.from(String(last.sequence)).toString('base64url') } : {}),
      };
    },

    replace(key, body) {
      const payload = parsePayload(body, chainId);
      return exclusively(async () => {
        const transaction = findByKey(key);
        requireUnmined(transaction);
        const before = { ...transaction.shown };
        const { value, ...rest } = payload;
        // The whole request is replaced, so what the new one does not name is gone.
        for (const name of ['to', 'value', 'data', 'speed'] as const) delete transaction.shown[name];
        Object.assign(transaction.shown, rest, value === undefined ? {} : { value: toHex(value) });
        if (before.status === 'pending') {
          save(transaction);
          return { ...transaction.shown };
        }
        if ((before.gasPrice === undefined) !== (payload.gasPrice === undefined) && hasFixedPrice(payload)) {
          transaction.shown = before;
          throw new RelayerError(400, 'A transaction can only be replaced by one of the same type');
        }
        const asked = before.gasPrice === undefined ? await priceOf(payload) : { gasPrice: payload.gasPrice ?? before.gasPrice };
        Object.assign(transaction.shown, raisePrices(pricesIn(before), asked));
        await signCurrent(transaction);
        save(transaction);
        const result = await broadcastCurrent(transaction);
        if (result === 'nonceTooLow' || result === 'rejected') {
          transaction.signed.pop();
          transaction.shown = before;
          transaction.isBroadcast = true;
          save(transaction);
          throw new RelayerError(400, `Transaction ${before.transactionId} cannot be replaced: the chain refused the new one`);
        }
        return { ...transaction.shown };
      });
    },

    cancel(key) {
      return exclusively(() => {
        const transaction = findByKey(key);
        // Defender takes back only what it has not signed; anything else is replaced by an empty transfer instead.
        if (transaction.shown.status !== 'pending') throw new RelayerError(400, `Transaction ${key} is not a pending intent`);
        open.delete(transaction);
        store.remove(transaction);
        return Promise.resolve({ message: `Transaction ${transaction.shown.transactionId} was cancelled` });
      });
    },

    describe: (isPaused) =>
      Promise.resolve({
        relayerId,
        name: 'Development relayer',
        address: account.address,
        network: networkName(chainId),
        paused: isPaused,
        createdAt,
        pendingTxCost: pendingCost().toString(),
        minBalance: '100000000000000000',
        policies: { EIP1559Pricing: true },
      }),

    async describeStatus(isPaused) {
      const last = store
        .all()
        .filter(({ shown }) => shown.status === 'confirmed')
        .at(-1);
      return {
        relayerId,
        name: 'Development relayer',
        nonce: await chooseNonce(),
        address: account.address,
        numberOfPendingTransactions: unmined().length,
        paused: isPaused,
        pendingTxCost: pendingCost().toString(),
        txsQuotaUsage: sends,
        rpcQuotaUsage: rpcCalls,
        ...(last === undefined
          ? {}
          : {
              lastConfirmedTransaction: {
                hash: last.shown.hash,
                status: last.shown.status,
                minedAt: last.minedAt,
                sentAt: last.shown.sentAt,
                nonce: last.shown.nonce,
              },
            }),
      };
    },

    async sign(body) {
      const message = fieldsOf(body)['message'];
      if (typeof message !== 'string') throw new RelayerError(400, 'message is required');
      return splitSignature(await account.signMessage({ message: isHex(message) ? { raw: message } : message }));
    },

    async signTypedData(body) {
      const { domainSeparator, hashStructMessage } = fieldsOf(body);
      if (!isHash(domainSeparator) || !isHash(hashStructMessage))
        throw new RelayerError(400, 'domainSeparator and hashStructMessage are required');
      return splitSignature(await account.sign({ hash: keccak256(concat(['0x1901', domainSeparator, hashStructMessage])) }));
    },

    async jsonRpc(body) {
      rpcCalls += 1;
      const { id, method, params } = fieldsOf(body);
      if (typeof method !== 'string') throw new RelayerError(400, 'method is required');
      // Passed on as it is: the answer, an error included, is the node's.
      const response = await fetch(options.rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: id ?? 1, method, params: params ?? [] }),
        signal: AbortSignal.timeout(10_000),
      });
      return (await response.json()) as Record<string, unknown>;
    },

    transactions: () => store.all().map((transaction) => structuredClone(transaction)),

    async close() {
      isClosed = true;
      closing.abort();
      await following;
      await queue;
    },
  };

  function pendingCost(): bigint {
    return unmined().reduce((sum, { shown }) => sum + costOf(shown), 0n);
  }
}

// ---- The request ------------------------------------------------------------------------------------------------------------------

function parsePayload(body: unknown, chainId: number): Payload {
  const fields = fieldsOf(body);
  const refuse = (message: string): never => {
    throw new RelayerError(400, message);
  };
  const payload: Payload = {
    gasLimit: parseNumber(fields['gasLimit'], 'gasLimit') ?? refuse('gasLimit is required'),
    validUntil: new Date(Date.now() + defaultValidityMs).toISOString(),
  };
  const { to, data, speed, validUntil, isPrivate } = fields;
  if (to !== undefined) payload.to = typeof to === 'string' && isAddress(to, { strict: false }) ? to : refuse('to must be an address');
  if (data !== undefined) payload.data = isHex(data) ? data : refuse('data must be hexadecimal');
  if (to === undefined && (data === undefined || data === '0x')) refuse('Either to or data is required');
  if (fields['value'] !== undefined) payload.value = parseBigUint(fields['value'], 'value');
  if (validUntil !== undefined) {
    const time = typeof validUntil === 'string' ? Date.parse(validUntil) : Number.NaN;
    if (Number.isNaN(time)) refuse('validUntil must be a date');
    if (time <= Date.now()) refuse('validUntil must be in the future');
    payload.validUntil = new Date(time).toISOString();
  }
  if (isPrivate !== undefined) {
    if (isPrivate === true && chainId !== 1) refuse('Private transactions are not supported on this network');
    payload.isPrivate = isPrivate === true;
  }
  if (speed !== undefined) payload.speed = isSpeed(speed) ? speed : refuse('speed must be one of safeLow, average, fast, fastest');
  for (const name of ['gasPrice', 'maxFeePerGas', 'maxPriorityFeePerGas'] as const) {
    const price = parseNumber(fields[name], name);
    if (price !== undefined) payload[name] = price;
  }
  const { gasPrice, maxFeePerGas, maxPriorityFeePerGas } = payload;
  const isDynamic = maxFeePerGas !== undefined || maxPriorityFeePerGas !== undefined;
  if ([speed !== undefined, gasPrice !== undefined, isDynamic].filter(Boolean).length > 1)
    refuse('speed, gasPrice and maxFeePerGas/maxPriorityFeePerGas cannot be set at the same time');
  if (isDynamic && (maxFeePerGas === undefined || maxPriorityFeePerGas === undefined))
    refuse('maxFeePerGas and maxPriorityFeePerGas must both be set');
  if (maxFeePerGas !== undefined && maxPriorityFeePerGas !== undefined && maxFeePerGas < maxPriorityFeePerGas)
    refuse('maxFeePerGas must be greater or equal to maxPriorityFeePerGas');
  return payload;
}

function fieldsOf(body: unknown): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new RelayerError(400, 'The body must be a JSON object');
  return body as Record<string, unknown>;
}

function parseBigUint(value: unknown, name: string): bigint {
  try {
    if ((typeof value === 'string' && value.trim() !== '') || typeof value === 'number') {
      const parsed = BigInt(value);
      if (parsed >= 0n) return parsed;
    }
  } catch {
    // BigInt throws on anything that is not a whole number; answered below like a negative one.
  }
  throw new RelayerError(400, `${name} must be a non-negative whole number`);
}

function parseNumber(value: unknown, name: string): number | undefined {
  return value === undefined ? undefined : Number(parseBigUint(value, name));
}

function isSpeed(value: unknown): value is Speed {
  return typeof value === 'string' && value in tips;
}

function isHash(value: unknown): value is Hex {
  return isHex(value) && value.length === 66;
}

function hasFixedPrice(payload: Payload): boolean {
  return payload.gasPrice !== undefined || payload.maxFeePerGas !== undefined;
}

// ---- Prices -----------------------------------------------------------------------------------------------------------------------

type Prices = Pick<RelayerTransaction, 'gasPrice' | 'maxFeePerGas' | 'maxPriorityFeePerGas'>;
const priceNames = ['gasPrice', 'maxFeePerGas', 'maxPriorityFeePerGas'] as const;

function pricesIn(shown: RelayerTransaction): Prices {
  const prices: Prices = {};
  for (const name of priceNames) if (shown[name] !== undefined) prices[name] = shown[name];
  return prices;
}

/** 10 % up, which is what Defender adds and the least that nodes accept for a replacement; more where `asked` is more. */
function raisePrices(prices: Prices, asked: Prices): Prices {
  const raised: Prices = {};
  for (const name of priceNames) {
    const price = prices[name];
    if (price !== undefined) raised[name] = Math.max(Math.ceil((price * 11) / 10) + 1, asked[name] ?? 0);
  }
  return raised;
}

/** With the nonce shared, the same request sent again would be the very same transaction, and its receipt would count for both. */
function makeUnique({ shown, sequence }: StoredTransaction): void {
  if (shown.gasPrice !== undefined) shown.gasPrice += sequence;
  else if (shown.maxFeePerGas !== undefined) shown.maxFeePerGas += sequence;
}

function costOf(shown: RelayerTransaction): bigint {
  return BigInt(shown.gasLimit) * BigInt(shown.gasPrice ?? shown.maxFeePerGas ?? 0) + BigInt(shown.value ?? 0);
}

// ---- The chain --------------------------------------------------------------------------------------------------------------------

async function readGenesis(client: PublicClient, chainId: number): Promise<Hex> {
  const actual = await client.getChainId();
  if (actual !== chainId) throw new Error(`The relayer is to work on chain ${chainId}, but the node serves chain ${actual}`);
  return (await client.getBlock({ blockNumber: 0n })).hash;
}

async function fundOnAnvil(client: PublicClient, address: Address, log: (line: string) => void): Promise<void> {
  if ((await client.getBalance({ address })) > 0n) return;
  const version = await client.request({ method: 'web3_clientVersion' });
  if (!version.toLowerCase().startsWith('anvil')) return log(`${address} has no ether: it cannot send anything before it gets some`);
  await requestAnvil(client, 'anvil_setBalance', [address, toHex(10_000n * 10n ** 18n)]);
  log(`${address} was given 10000 ether`);
}

/** Methods that only anvil has, and viem's types therefore do not. Undefined on another node. */
async function requestAnvil<Result>(client: PublicClient, method: string, params: unknown[]): Promise<Result | undefined> {
  const request = client.request as unknown as (call: { method: string; params: unknown[] }) => Promise<Result>;
  try {
    return await request({ method, params });
  } catch (error) {
    if (error instanceof BaseError && error.walk((cause) => cause instanceof RpcRequestError) !== null) return undefined;
    throw error;
  }
}

function splitSignature(sig: Hex): Record<string, unknown> {
  const { r, s, yParity } = parseSignature(sig);
  return { sig, r, s, v: 27 + yParity };
}

function networkName(chainId: number): string {
  const names: Record<number, string> = {
    1: 'mainnet',
    10: 'optimism',
    137: 'matic',
    8453: 'base',
    42161: 'arbitrum',
    80002: 'amoy',
    11155111: 'sepolia',
  };
  return names[chainId] ?? `chain-${chainId}`;
}
