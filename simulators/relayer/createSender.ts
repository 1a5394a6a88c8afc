/**
 * The account behind a simulated relayer: gives out nonces, signs, sends, and follows what becomes
 * of each transaction. What the provider's API makes of that is up to the simulators.
 *
 * Statuses, as Defender defines them:
 *   pending (an intent, not signed yet) → sent (signed, queued) → submitted (given to the chain) →
 *   inmempool → mined → confirmed
 *   expired: validUntil passed and a no-op took the nonce · failed: cannot be processed, such as a
 *   nonce that something else used up
 * A transaction that was mined and reverted is `mined`, then `confirmed`: Defender does not judge
 * what it did. A reorganisation may take `mined` back; the transaction is then sent again.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BaseError,
  RpcRequestError,
  createPublicClient,
  http,
  keccak256,
  parseTransaction,
  toHex,
} from 'viem';
import type { Address, Hex, TransactionSerialized } from 'viem';
import { privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';
import type { TransactionTwist } from './faults.ts';
import { fundOnAnvil, readGenesis, requestAnvil } from './node.ts';
import { costOf, makeUnique, pricesIn, raisePrices, type Prices } from './prices.ts';
import { openTransactionStore } from './transactionStore.ts';
import type {
  RelayerTransaction,
  Speed,
  Status,
  StoredTransaction,
  TransactionStore,
} from './transactionStore.ts';

/** The request cannot be done as it is: nothing was changed by it. */
export class SendRefused extends Error {}

export interface SenderOptions {
  rpcUrl: string;
  chainId: number;
  privateKey: Hex;
  /** Noted in each transaction. */
  relayerId: string;
  statePath?: string;
  pollMs: number;
  /** Blocks, the transaction's own included, after which it is `confirmed`. */
  confirmations: number;
  log: (line: string) => void;
}

/** A transaction that somebody wants to have sent: by speed, or at fixed prices. */
export interface SendRequest extends Prices {
  to?: Address;
  value?: bigint;
  data?: Hex;
  gasLimit: number;
  /** ISO 8601. */
  validUntil: string;
  isPrivate?: boolean;
  speed?: Speed;
}

export interface Sender {
  readonly account: PrivateKeyAccount;
  readonly store: Pick<TransactionStore, 'all' | 'findById' | 'findByNonce'>;
  unmined(): StoredTransaction[];
  nextNonce(): Promise<number>;
  /** In wei. */
  balance(): Promise<bigint>;
  /** Wei that the unmined ones cost at most. */
  pendingCost(): bigint;
  /** @returns it as it was when it was taken. @throws SendRefused */
  send(request: SendRequest, twist: TransactionTwist): Promise<RelayerTransaction>;
  /**
   * The whole request, under the same id and nonce. @param find is asked when its turn has come.
   * @throws SendRefused
   */
  replace(find: () => StoredTransaction, request: SendRequest): Promise<RelayerTransaction>;
  /** Takes back what is not signed yet. @param find likewise. @throws SendRefused */
  forget(find: () => StoredTransaction): Promise<void>;
  close(): Promise<void>;
}

/** Tip in wei, by speed. Only their order matters on a development chain. */
const tips: Record<Speed, number> = { safeLow: 1e9, average: 1.5e9, fast: 2e9, fastest: 3e9 };

const finalStatuses: readonly Status[] = ['confirmed', 'failed', 'expired'];
const unminedStatuses: readonly Status[] = ['pending', 'sent', 'submitted', 'inmempool'];

export async function createSender(options: SenderOptions): Promise<Sender> {
  const { chainId, pollMs, confirmations, log } = options;
  const account = privateKeyToAccount(options.privateKey);
  // No retries and no cache: the relayer decides itself when to ask again, and wants to know what
  // is so now.
  const client = createPublicClient({
    transport: http(options.rpcUrl, { retryCount: 0, timeout: 10_000 }),
    cacheTime: 0,
  });
  const genesisHash = await readGenesis(client, chainId);
  await fundOnAnvil(client, account.address, log);
  const store = openTransactionStore(options.statePath, {
    chainId,
    genesisHash,
    address: account.address,
  });
  const open = new Set(
    store.all().filter((transaction) => !finalStatuses.includes(transaction.shown.status)),
  );

  // ---- One at a time: nonces are given out, and forms signed, in here only ----------------------

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
    log(
      `${transaction.shown.transactionId} ${transaction.shown.status} → ${status} ${transaction.shown.hash ?? ''}`,
    );
    transaction.shown.status = status;
    save(transaction);
  };

  const unmined = (): StoredTransaction[] =>
    [...open].filter((transaction) => unminedStatuses.includes(transaction.shown.status));

  /**
   * From the chain each time, so that it cannot drift, plus what we signed and the chain does not
   * know yet.
   */
  async function chooseNonce(): Promise<number> {
    const onChain = await client.getTransactionCount({
      address: account.address,
      blockTag: 'pending',
    });
    const held = unmined().filter((transaction) => transaction.twist.releaseNonce !== true);
    return Math.max(onChain, ...held.map((transaction) => (transaction.shown.nonce ?? -1) + 1));
  }

  async function priceOf(payload: Partial<SendRequest>): Promise<Prices> {
    if (payload.gasPrice !== undefined) return { gasPrice: payload.gasPrice };
    if (payload.maxFeePerGas !== undefined && payload.maxPriorityFeePerGas !== undefined)
      return {
        maxFeePerGas: payload.maxFeePerGas,
        maxPriorityFeePerGas: payload.maxPriorityFeePerGas,
      };
    const block = await client.getBlock({ blockTag: 'latest' });
    const tip = tips[payload.speed ?? 'fast'];
    return { maxFeePerGas: Number(block.baseFeePerGas ?? 0n) * 2 + tip, maxPriorityFeePerGas: tip };
  }

  async function signForm(
    form: Pick<RelayerTransaction, 'to' | 'value' | 'data' | 'gasLimit' | 'nonce'> & Prices,
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
        : await account.signTransaction({
            ...common,
            type: 'legacy',
            gasPrice: BigInt(form.gasPrice),
          });
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
      const answer =
        error instanceof BaseError ? error.walk((cause) => cause instanceof RpcRequestError) : null;
      if (!(answer instanceof RpcRequestError)) {
        log(
          `the chain does not answer: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`,
        );
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
  async function dispatch(
    transaction: StoredTransaction,
    payload: Partial<SendRequest>,
  ): Promise<RelayerTransaction> {
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
        // Somebody else used this key: what was signed can never be mined, so it is forgotten and
        // signed anew.
        transaction.signed.pop();
        continue;
      }
      // The caller has its answer when the transaction is signed; what the chain said shows in the
      // status.
      if (result === 'nonceTooLow' || result === 'rejected') setStatus(transaction, 'failed');
      return answer;
    }
  }

  async function requireFunds(transaction: StoredTransaction): Promise<void> {
    const balance = await client.getBalance({ address: account.address });
    const reserved = unmined()
      .filter((other) => other !== transaction)
      .reduce((sum, other) => sum + costOf(other.shown), 0n);
    if (costOf(transaction.shown) > balance - reserved)
      throw new SendRefused('insufficient funds for gas * price + value');
  }

  // ---- Following --------------------------------------------------------------------------------

  const checkedAt = new WeakMap<StoredTransaction, Hex>();

  async function follow(): Promise<void> {
    if (open.size === 0) return;
    const latest = await client.getBlock({ blockTag: 'latest' });
    const usedNonces = await client.getTransactionCount({
      address: account.address,
      blockTag: 'latest',
    });
    const due = [...open].filter(
      (transaction) => transaction.signed.length > 0 && checkedAt.get(transaction) !== latest.hash,
    );
    for (let start = 0; start < due.length; start += 20) {
      await Promise.all(
        due.slice(start, start + 20).map(async (transaction) => {
          const forms = transaction.signed.length;
          const isOnItsWay = !transaction.isBroadcast && transaction.twist.broadcast === undefined;
          const minedIn = await observe(transaction, latest, usedNonces);
          // The head that we know is no measure of what is in a later block: it may be the head
          // again after a reorganisation.
          const isLater = minedIn !== undefined && minedIn > latest.number;
          // Now that all was answered. A form signed while we asked is not among those asked about:
          // next time.
          if (forms === transaction.signed.length && !isOnItsWay && !isLater)
            checkedAt.set(transaction, latest.hash);
        }),
      );
    }
    const now = Date.now();
    for (const transaction of [...open]) {
      const { shown } = transaction;
      if (!unminedStatuses.includes(shown.status)) continue;
      const isExpired = Date.parse(shown.validUntil) <= now;
      const isBumpDue = transaction.bumpAt !== undefined && transaction.bumpAt <= now;
      const isIntentDue =
        shown.status === 'pending' && (isExpired || (transaction.sendAt ?? 0) <= now);
      const isResendDue =
        shown.status !== 'pending' &&
        !transaction.isBroadcast &&
        transaction.twist.broadcast === undefined;
      if (isExpired || isBumpDue || isIntentDue || isResendDue)
        await exclusively(() => act(transaction));
    }
  }

  /** @returns the block that it is in; undefined: none */
  async function observe(
    transaction: StoredTransaction,
    latest: { hash: Hex; number: bigint },
    usedNonces: number,
  ): Promise<bigint | undefined> {
    const { shown } = transaction;
    const forms = transaction.signed.map((form) => form.hash).reverse();
    const receipts = await Promise.all(
      [...forms, ...(transaction.noop === undefined ? [] : [transaction.noop.hash])].map(
        findReceipt,
      ),
    );
    const receipt = receipts.find((found) => found !== null);
    if (receipt !== undefined && receipt !== null) {
      if (receipt.transactionHash === transaction.noop?.hash) {
        setStatus(transaction, 'expired');
        return BigInt(receipt.blockNumber);
      }
      const blockNumber = Number(receipt.blockNumber);
      shown.hash = receipt.transactionHash;
      transaction.isReverted = receipt.status === '0x0';
      if (transaction.minedBlockHash !== receipt.blockHash) {
        Object.assign(transaction, {
          minedAt: new Date().toISOString(),
          minedBlockHash: receipt.blockHash,
          minedBlockNumber: blockNumber,
        });
      }
      delete transaction.bumpAt;
      setStatus(
        transaction,
        Number(latest.number) - blockNumber + 1 >= confirmations ? 'confirmed' : 'mined',
      );
      return BigInt(receipt.blockNumber);
    }
    if (shown.status === 'mined') {
      log(`${shown.transactionId} is no longer in the chain`);
      delete transaction.minedAt;
      delete transaction.minedBlockHash;
      delete transaction.minedBlockNumber;
      delete transaction.isReverted;
      transaction.isBroadcast = false;
      shown.status = 'sent';
      save(transaction);
      return undefined;
    }
    if (transaction.twist.broadcast !== undefined) return undefined;
    // The count was read before the receipts: had one of our forms used the nonce, its receipt
    // would have been there.
    if (shown.nonce !== undefined && shown.nonce < usedNonces) {
      setStatus(transaction, 'failed');
      return undefined;
    }
    if (!transaction.isBroadcast || shown.hash === null) return undefined;
    const isKnown =
      (await client.request({ method: 'eth_getTransactionByHash', params: [shown.hash] })) !== null;
    if (isKnown) {
      if (shown.status === 'submitted') setStatus(transaction, 'inmempool');
    } else {
      // The node lost it (a restart, say).
      transaction.isBroadcast = false;
    }
    return undefined;
  }

  async function findReceipt(
    hash: Hex,
  ): Promise<{ transactionHash: Hex; blockHash: Hex; blockNumber: Hex; status: Hex } | null> {
    return client.request({ method: 'eth_getTransactionReceipt', params: [hash] });
  }

  /**
   * What is due for a transaction that is not mined. Under the lock; looks again whether it still
   * is due.
   */
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
      await dispatch(transaction, {
        ...(shown.speed === undefined ? {} : { speed: shown.speed }),
        ...pricesIn(shown),
      });
    } catch (error) {
      if (!(error instanceof SendRefused)) throw error;
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
      await priceOf(
        shown.gasPrice === undefined ? { speed: 'fastest' } : { gasPrice: shown.gasPrice },
      ),
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
        log(
          `following the transactions: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`,
        );
      }
      // Rejects only when we close.
      await sleep(pollMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    }
  })();
  return {
    account,
    store,
    unmined,
    nextNonce: chooseNonce,
    balance: () => client.getBalance({ address: account.address }),
    pendingCost: () => unmined().reduce((sum, { shown }) => sum + costOf(shown), 0n),

    send: (payload, twist) =>
      exclusively(async () => {
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
            relayerId: options.relayerId,
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
      }),

    replace: (find, payload) =>
      exclusively(async () => {
        const transaction = find();
        if (!unminedStatuses.includes(transaction.shown.status)) {
          throw new SendRefused(
            `Transaction ${transaction.shown.transactionId} is already ${transaction.shown.status}`,
          );
        }
        const before = { ...transaction.shown };
        const { value, ...rest } = payload;
        // The whole request is replaced, so what the new one does not name is gone.
        for (const name of ['to', 'value', 'data', 'speed'] as const)
          delete transaction.shown[name];
        Object.assign(transaction.shown, rest, value === undefined ? {} : { value: toHex(value) });
        if (before.status === 'pending') {
          save(transaction);
          return { ...transaction.shown };
        }
        if (
          (before.gasPrice === undefined) !== (payload.gasPrice === undefined) &&
          hasFixedPrice(payload)
        ) {
          transaction.shown = before;
          throw new SendRefused('A transaction can only be replaced by one of the same type');
        }
        const asked =
          before.gasPrice === undefined
            ? await priceOf(payload)
            : { gasPrice: payload.gasPrice ?? before.gasPrice };
        Object.assign(transaction.shown, raisePrices(pricesIn(before), asked));
        await signCurrent(transaction);
        save(transaction);
        const result = await broadcastCurrent(transaction);
        if (result === 'nonceTooLow' || result === 'rejected') {
          transaction.signed.pop();
          transaction.shown = before;
          transaction.isBroadcast = true;
          save(transaction);
          throw new SendRefused(
            `Transaction ${before.transactionId} cannot be replaced: the chain refused the new one`,
          );
        }
        return { ...transaction.shown };
      }),

    forget: (find) =>
      exclusively(async () => {
        const transaction = find();
        const { status, transactionId } = transaction.shown;
        if (status !== 'pending')
          throw new SendRefused(`Transaction ${transactionId} is not a pending intent`);
        open.delete(transaction);
        store.remove(transaction);
      }),

    async close() {
      isClosed = true;
      closing.abort();
      await following;
      await queue;
    },
  };
}

function hasFixedPrice(request: Prices): boolean {
  return request.gasPrice !== undefined || request.maxFeePerGas !== undefined;
}
