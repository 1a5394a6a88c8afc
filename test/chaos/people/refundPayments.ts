import { setTimeout as sleep } from 'node:timers/promises';
import { createWalletClient, maxUint256, type Address } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { testTokenAbi } from '../../../contracts/generated/TestToken.ts';
import type { components } from '../../../api/generated/openapi.ts';
import type { TypedData } from '../../../domain/chain/ports.ts';
import { anvilTransport } from '../../support/anvilTransport.ts';
import type { Random } from '../../support/createRandom.ts';
import { signTypedData } from '../../support/gasless.ts';
import type { StoreClient } from '../../support/storeClient.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';
import { mustBePaid, type PlannedPayment } from './planPayments.ts';

/** Some of a payment that its merchant gives back. */
export interface RefundWish {
  readonly payment: PlannedPayment;
  readonly amount: bigint;
}

/** Whose payments they are: signs refunds, and at times has its tokens elsewhere. */
export interface Merchant {
  readonly account: PrivateKeyAccount;
  /** Where the tokens are when they are elsewhere. */
  readonly vault: PrivateKeyAccount;
}

interface Options {
  readonly client: StoreClient;
  readonly merchant: Merchant;
  readonly amount: bigint;
  readonly random: Random;
  readonly count: (what: string) => void;
}

export interface Refunding {
  /** Decides whether, and how much of, this payment is given back, and begins. */
  consider(payment: PlannedPayment): void;
  readonly wishes: readonly RefundWish[];
  /**
   * Resolves when all of them are completed, or after this time. @returns what could not be, in
   * words
   */
  finish(patienceMs: number): Promise<string[]>;
}

const SHARE = 0.15;
/**
 * Of the payments of which something is given back: several parts, or one of them twice, are asked
 * for at the same time.
 */
const AT_ONCE_SHARE = 0.5;
/**
 * Of these, the merchant's tokens are moved away when the refund is accepted, and come back when it
 * has failed or was made.
 */
const SWEEP_SHARE = 0.4;
/**
 * Until then nobody calls a refund failed of which a transaction was given up that may still be
 * mined; and its merchant waits for that word before it puts its tokens back.
 */
const LOST_DEADLINE_SECONDS = 40;
/**
 * On a chain: each failure makes its merchant wait longer for the next refund there, up to being
 * sent away.
 */
const MAX_SWEEPS = 1;
/**
 * For each payment that waits for the permits of those before it. Of one, at most two parts are
 * given back, one after the other: each is sent within about a second, completed six blocks of 250
 * ms later, and looked at every LOOK_MS. That is 6 s, and two thirds more for a machine that has
 * other work.
 */
const PERMIT_MS = 10_000;
const LOOK_MS = 400;
/** For what was sent to be in a block, reorganisations included. */
const MOVE_MS = 15_000;

/**
 * With ether for its own transactions on every chain; on the first one it has approved the gateway,
 * on the others it signs permits.
 */
export async function createMerchant(chains: readonly ChaosChain[]): Promise<Merchant> {
  const merchant = {
    account: privateKeyToAccount(generatePrivateKey()),
    vault: privateKeyToAccount(generatePrivateKey()),
  };
  for (const chain of chains) {
    const { testClient, publicClient } = chain.home.chain;
    for (const { address } of [merchant.account, merchant.vault])
      await testClient.setBalance({ address, value: 10n ** 20n });
    if (!hasApproved(chain, chain.token)) continue;
    const args = [chain.home.stack.deployment.gateway, maxUint256] as const;
    const hash = await write(chain, merchant.account, 'approve', args);
    await publicClient.waitForTransactionReceipt({ hash });
  }
  return merchant;
}

/** Of the merchant. */
function hasApproved({ name, token }: ChaosChain, of: Address): boolean {
  return name === 'first' && token === of;
}

export function startRefunding(options: Options): Refunding {
  const { amount, random, count, merchant } = options;
  let giveUpAt = Number.POSITIVE_INFINITY;
  const isOver = () => Date.now() > giveUpAt;
  const wishes: RefundWish[] = [];
  const refunding: Promise<string | undefined>[] = [];
  const sweeps = new Map<ChaosChain, Promise<unknown>>();

  const permitted = new Map<string, { readonly last: Promise<unknown>; readonly count: number }>();
  /**
   * Where the merchant signs permits, one refund at a time, as such a merchant has to: a token
   * takes one permit after the other.
   */
  function inOrder<T>({ chain, token }: PlannedPayment, work: () => Promise<T>): Promise<T> {
    if (hasApproved(chain, token)) return work();
    const name = `${chain.name} ${token}`;
    const waiting = permitted.get(name);
    const next = (waiting?.last ?? Promise.resolve()).then(work, work).finally(() => {
      const { last, count } = permitted.get(name) ?? { last: next, count: 1 };
      permitted.set(name, { last, count: count - 1 });
    });
    permitted.set(name, { last: next, count: (waiting?.count ?? 0) + 1 });
    return next;
  }

  /** One at a time, since the transactions of an account have an order. */
  function sweep(chain: ChaosChain, until: Promise<unknown>): Promise<unknown> {
    const next = (sweeps.get(chain) ?? Promise.resolve()).then(async () => {
      await moveAll(chain, merchant.account, merchant.vault.address);
      await until;
      await moveAll(chain, merchant.vault, merchant.account.address);
    });
    sweeps.set(
      chain,
      next.catch(() => undefined),
    );
    return next;
  }

  const swept = new Map<ChaosChain, number>();
  function maySweep(chain: ChaosChain): boolean {
    const times = (swept.get(chain) ?? 0) + 1;
    swept.set(chain, times);
    return times <= MAX_SWEEPS;
  }

  async function refund(
    wish: RefundWish,
    isSwept: boolean,
    isDoubled: boolean,
  ): Promise<string | undefined> {
    const { payment } = wish;
    if (!(await waitForStatus(options, payment, isOver))) return undefined;
    let sweeping: Promise<unknown> | undefined;
    try {
      for (let tries = 1; !isOver(); tries++) {
        const isLost = isSwept && tries === 1 && maySweep(payment.chain);
        const seconds = isLost ? LOST_DEADLINE_SECONDS : undefined;
        // Whoever hands the same signature in twice wants one refund. Two signatures are two.
        const names = isDoubled && tries === 1 ? ['1', '1-again'] : [String(tries)];
        const signed = await signRefund(options, wish, names, seconds);
        const accepted = signed.find((id) => id !== undefined);
        if (signed.length > 1)
          count(
            `refund handed in twice at once: ${new Set(signed.filter((id) => id !== undefined)).size} taken on`,
          );
        if (accepted === undefined) {
          await sleep(LOOK_MS);
          continue;
        }
        const ended = waitForRefund(options, wish, accepted, isOver);
        if (isLost) sweeping = sweep(payment.chain, ended);
        const status = await ended;
        count(`refund ${status}${status === 'failed' ? ', signed again' : ''}`);
        await sweeping;
        if (status === 'completed') return undefined;
      }
      return `refund of ${wish.amount} of payment ${payment.paymentId} was not made`;
    } finally {
      await sweeping;
    }
  }

  async function giveBack(
    given: readonly RefundWish[],
    isAtOnce: boolean,
  ): Promise<string | undefined> {
    const begin = (wish: RefundWish) =>
      refund(wish, random.next() < SWEEP_SHARE, given.length === 1 && isAtOnce);
    if (isAtOnce)
      return (await Promise.all(given.map(begin))).find((problem) => problem !== undefined);
    for (const wish of given) {
      const problem = await begin(wish);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  return {
    wishes,
    consider(payment) {
      if (!mustBePaid(payment) || random.next() >= SHARE) return;
      const amounts = random.pick([[amount], [amount / 3n], [amount / 3n, amount / 2n]]);
      const isAtOnce = hasApproved(payment.chain, payment.token) && random.next() < AT_ONCE_SHARE;
      const given = amounts.map((part) => ({ payment, amount: part }));
      wishes.push(...given);
      const refunded = inOrder(payment, () => giveBack(given, isAtOnce));
      // Told by `finish`.
      refunded.catch(() => undefined);
      refunding.push(refunded);
    },
    async finish(patienceMs) {
      giveUpAt =
        Date.now() +
        patienceMs +
        PERMIT_MS * Math.max(0, ...[...permitted.values()].map(({ count }) => count));
      return (await Promise.all(refunding)).flatMap((problem) => problem ?? []);
    },
  };
}

/** @returns whether it was completed; if not, it is the judge's to say so */
async function waitForStatus(
  { client }: Options,
  { paymentId }: PlannedPayment,
  isOver: () => boolean,
): Promise<boolean> {
  while (!isOver()) {
    const { data } = await client.api.GET('/payments/{paymentId}', {
      params: { path: { paymentId } },
    });
    if (data?.status === 'completed') return true;
    await sleep(LOOK_MS);
  }
  return false;
}

/**
 * Signs once, and hands the signature in once for each name, at the same time.
 * @param seconds until the deadline; undefined: what the API proposes
 * @returns for each name the refund's id; undefined when the API would not take it now
 */
async function signRefund(
  { client, merchant, count }: Options,
  wish: RefundWish,
  names: readonly string[],
  seconds: number | undefined,
): Promise<(string | undefined)[]> {
  const { paymentId } = wish.payment;
  const path = { paymentId };
  const query = { amount: String(wish.amount) };
  const offered = await client.api.GET('/payments/{paymentId}/refunds/authorization', {
    params: { path, query },
  });
  if (offered.data === undefined) {
    count(`refund not offered: ${codeOf(offered.error)}`);
    return [];
  }
  const { nonce, typedData: proposed, permit } = offered.data;
  const deadline =
    seconds === undefined ? offered.data.deadline : String(Math.floor(Date.now() / 1000) + seconds);
  const typedData = { ...proposed, message: { ...proposed.message, deadline } };
  const body = {
    amount: String(wish.amount),
    nonce,
    deadline,
    signature: await sign(merchant.account, typedData),
    ...(permit === null
      ? {}
      : {
          permit: {
            value: permit.value,
            deadline: permit.deadline,
            signature: await sign(merchant.account, permit.typedData),
          },
        }),
  };
  return Promise.all(
    names.map(async (name) => {
      const { data, error } = await client.api.POST('/payments/{paymentId}/refunds', {
        params: {
          path,
          header: { 'Idempotency-Key': `refund-${paymentId}-${wish.amount}-${name}` },
        },
        body,
      });
      if (data === undefined) count(`refund refused by the API: ${codeOf(error)}`);
      return data?.id;
    }),
  );
}

async function waitForRefund(
  { client }: Options,
  { payment: { paymentId }, amount }: RefundWish,
  refundId: string,
  isOver: () => boolean,
): Promise<string> {
  while (!isOver()) {
    const { data } = await client.api.GET('/payments/{paymentId}/refunds', {
      params: { path: { paymentId } },
    });
    const found = data?.data.find(({ id }) => id === refundId);
    // One that failed is signed again by whoever asks for the payment's next one, and for what that
    // one wants.
    if (found !== undefined && BigInt(found.amount) !== amount) return 'failed';
    if (found !== undefined && found.status !== 'processing') return found.status;
    await sleep(LOOK_MS);
  }
  return 'processing for too long';
}

/**
 * Resolves when the chain shows that it is there: a balance is read wrongly while a reorganisation
 * is under way.
 */
async function moveAll(chain: ChaosChain, from: PrivateKeyAccount, to: Address): Promise<void> {
  const deadline = Date.now() + MOVE_MS;
  while (Date.now() < deadline) {
    const balance = await chain.home.chain.balanceOf(chain.token, from.address);
    if (balance > 0n) {
      await write(chain, from, 'transfer', [to, balance]);
      return;
    }
    await sleep(LOOK_MS);
  }
}

/** Into the mempool. */
function write(
  chain: ChaosChain,
  account: PrivateKeyAccount,
  functionName: 'approve' | 'transfer',
  args: readonly [Address, bigint],
) {
  const { publicClient } = chain.home.chain;
  const known = publicClient.chain;
  if (known === undefined) throw new Error('the chain’s client has no chain');
  const wallet = createWalletClient({
    account,
    chain: known,
    transport: anvilTransport(chain.home.stack.chain.rpcUrl),
  });
  return wallet.writeContract({
    address: chain.token,
    abi: testTokenAbi,
    functionName,
    args,
    gas: 100_000n,
  });
}

function codeOf(error: { readonly code?: string } | undefined): string {
  return error?.code ?? 'no answer';
}

/** openapi.yaml leaves the content of typed data open. */
function sign(account: PrivateKeyAccount, typedData: components['schemas']['TypedData']) {
  return signTypedData(account, typedData as unknown as TypedData);
}
