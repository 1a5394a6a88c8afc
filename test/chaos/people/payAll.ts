import { setTimeout as sleep } from 'node:timers/promises';
import { encodeFunctionData, keccak256, type Address, type Hash, type Hex } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import { paymentGatewayAbi } from '../../../contracts/generated/PaymentGateway.ts';
import { createRandom, type Random } from '../../support/createRandom.ts';
import { payFromWallet } from '../../support/customers.ts';
import type { PaymentResource, StoreClient } from '../../support/storeClient.ts';
import { DEEPEST_REORG } from '../chains/startChaosChains.ts';
import { encodeAway, moveTokensAway, sendRaw, WALLET_FEES } from './moveTokensAway.ts';
import { mustBePaid, payerOf, type Plan, type PlannedPayment } from './planPayments.ts';

interface Options {
  /** The stores that are paid: each has every so manyth plan. */
  readonly clients: readonly StoreClient[];
  readonly plans: readonly Plan[];
  /** What the orders are called, each with its number: a store's orders differ. */
  readonly orders?: string;
  readonly amount: bigint;
  readonly random: Random;
  /** Told of each payment that was handed over. */
  readonly onPaid: (payment: PlannedPayment) => void;
  readonly count: (what: string) => void;
}

const LANES = 12;
/**
 * How long a customer whose signature was refused is asked again: nodes that lag or lie may have
 * been asked about it.
 */
const INSIST_MS = 5 * 60_000;
const AGAIN_MS = 700;
/** Later than everything ends, however slow the machine. */
const GOOD_EXPIRY_SECONDS = 3_600;
/** So long before the expiry somebody pays at last. */
const AT_LAST_MS = 4_000;

/** Resolves when every payment was handed to the chain or the relayer. */
export async function payAll(options: Options): Promise<PlannedPayment[]> {
  const { clients, plans, orders = 'order', amount, random, onPaid } = options;
  const paid: PlannedPayment[] = [];
  const inTurn = createTurns();
  const waited: Promise<unknown>[] = [];
  const waiting = plans.entries();
  const lanes = Array.from({ length: LANES }, async () => {
    for (const [index, plan] of waiting) {
      const { chain } = plan;
      const client = clients[index % clients.length];
      if (client === undefined) throw new Error('there is no store that could be paid');
      const expiry = { expiresInSeconds: plan.expirySeconds ?? GOOD_EXPIRY_SECONDS };
      const order = {
        orderId: `${orders}-${index}`,
        amount: String(amount),
        token: plan.token,
        chainId: chain.chainId,
        ...expiry,
      };
      const payment = await client.createPayment(order);
      const own = createRandom(random.between(0, 2 ** 31));
      let refusal: string | undefined;
      if (plan.character === 'takesBack')
        waited.push((await payAndTakeBack(plan, payment, own)).reorganisation);
      else if (plan.character === 'paysAtLast') waited.push(payAtLast(plan, payment));
      else if (plan.way === 'direct') await payFromWallet(chain.home, plan.customer, payment);
      else if (plan.way === 'forwarder')
        await inTurn(
          plan.customer,
          async () => void (refusal = await handOver(client, options, plan, payment)),
        );
      else refusal = await handOver(client, options, plan, payment);
      if (plan.character === 'movesTokensAway') await moveTokensAway(chain, plan.customer, 0);
      if (plan.character === 'changesItsMind') await plan.wallet?.setMode('refuseAll');
      if (plan.character === 'getsCode') await chain.delegated.delegate(plan.customer, 'askOwner');
      if (plan.character === 'getsCostlyCode')
        await chain.delegated.delegate(plan.customer, 'turnCostly');
      const planned = { ...plan, paymentId: payment.paymentId as Hash, refusal };
      paid.push(planned);
      onPaid(planned);
      await sleep(random.between(0, 400));
    }
  });
  await Promise.all(lanes);
  await Promise.all(waited);
  return paid;
}

/**
 * A customer signs one forward request after the other: the nonce of the next one is known when
 * this one is accepted.
 */
function createTurns() {
  const turns = new Map<string, Promise<unknown>>();
  return async ({ address }: PrivateKeyAccount, work: () => Promise<void>): Promise<void> => {
    const next = (turns.get(address) ?? Promise.resolve()).then(work);
    turns.set(
      address,
      next.catch(() => undefined),
    );
    await next;
  };
}

/** @returns why it was refused, when it was */
async function handOver(
  client: StoreClient,
  { count }: Pick<Options, 'count'>,
  plan: Plan,
  { paymentId }: PaymentResource,
): Promise<string | undefined> {
  const { way, customer } = plan;
  const deadline = Date.now() + (mustBePaid(plan) ? INSIST_MS : 0);
  for (;;) {
    try {
      if (way === 'forwarder') await client.relay(customer, paymentId);
      else await client.execute(customer, paymentId, payerOf(plan));
      return undefined;
    } catch (error) {
      const refusal = error instanceof Error ? error.message : String(error);
      count(
        `refused by the API at first: ${/"code":"(\w+)"/.exec(refusal)?.[1] ?? refusal.slice(0, 60)}, ${plan.character}`,
      );
      if (Date.now() > deadline) return refusal;
      await sleep(AGAIN_MS);
    }
  }
}

/**
 * Its block, and the blocks that may replace it, come before the payment expires, or not: then it
 * is not paid.
 */
async function payAtLast({ chain, customer }: Plan, payment: PaymentResource): Promise<void> {
  await sleep(Math.max(0, payment.terms.expiresAt * 1000 - AT_LAST_MS - Date.now()));
  await payFromWallet(chain.home, customer, payment);
}

/** @returns the reorganisation that is to take the payment away, which is still to come */
async function payAndTakeBack(
  plan: Plan,
  payment: PaymentResource,
  random: Random,
): Promise<{ readonly reorganisation: Promise<unknown> }> {
  const { chain } = plan;
  const { salt, token, amount, merchant, expiresAt } = payment.terms;
  const terms = {
    salt: salt as Hash,
    token: token as Address,
    amount: BigInt(amount),
    merchant: merchant as Address,
    expiresAt,
  };
  const pay = encodeFunctionData({ abi: paymentGatewayAbi, functionName: 'pay', args: [terms] });
  const raw = await sign(plan, {
    to: payment.gateway as Address,
    data: pay,
    nonce: 1,
    ...WALLET_FEES,
  });
  // Of a higher fee, so that whoever has both takes this one.
  const fees = {
    maxFeePerGas: WALLET_FEES.maxFeePerGas * 2n,
    maxPriorityFeePerGas: WALLET_FEES.maxPriorityFeePerGas * 2n,
  };
  const away = await sign(plan, {
    to: chain.token,
    data: encodeAway(1n),
    nonce: 1,
    gas: WALLET_FEES.gas,
    ...fees,
  });
  chain.mining.replaceWhenTaken(keccak256(raw), away);
  await sendRaw(chain, raw);
  // While it is not so deep yet that no reorganisation reaches it.
  return {
    reorganisation: sleep(random.between(400, 1_200)).then(() =>
      chain.mining.reorganise(DEEPEST_REORG, random),
    ),
  };
}

function sign(
  { chain, customer }: Plan,
  call: { to: Address; data: Hex; nonce: number } & { [name in keyof typeof WALLET_FEES]: bigint },
): Promise<Hex> {
  return customer.signTransaction({ chainId: chain.chainId, type: 'eip1559', ...call });
}
