import type { Address, Hash } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import { createContractWallet, type ContractWallet } from '../../support/contractWallet.ts';
import type { Random } from '../../support/createRandom.ts';
import { createCustomers } from '../../support/customers.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';

export type Way = 'direct' | 'forwarder' | 'authorization';

/** Who pays. */
export const CHARACTERS = [
  'honest',
  /** A contract wallet (ERC-1271) that wants nothing but to pay. */
  'honestWallet',
  /** Moves the tokens away as soon as the payment is accepted. */
  'movesTokensAway',
  /** Pays, and sends another transaction in its place when a reorganisation takes it away. */
  'takesBack',
  /** A contract wallet that refuses in a block what it accepted when it was simulated. */
  'changesItsMind',
  /** A contract wallet that in a block burns all the gas that it gets, but not in a simulation. */
  'turnsCostly',
  /** A contract wallet whose signature check takes a million gas. */
  'wastesGas',
  /** An account that gets code once it has signed (EIP-7702), which stands by what it signed. */
  'getsCode',
  /** The same, with code that in a block burns all the gas that it gets. */
  'getsCostlyCode',
  /** Pays from its own wallet in good time, just before the payment expires. */
  'paysAtLast',
] as const;
export type Character = (typeof CHARACTERS)[number];

export interface Plan {
  readonly chain: ChaosChain;
  readonly token: Address;
  readonly way: Way;
  /** undefined: so late that it does not matter. */
  readonly expirySeconds: number | undefined;
  readonly character: Character;
  readonly customer: PrivateKeyAccount;
  /** When the tokens are a contract's, which the customer owns. */
  readonly wallet: ContractWallet | undefined;
}

export interface PlannedPayment extends Plan {
  readonly paymentId: Hash;
  /** The API would not take it from this payer, and said why. */
  readonly refusal: string | undefined;
}

/**
 * What was given up and may still be mined is not called failed before its deadline, which is no
 * later than the payment's expiry. Who cannot pay has such requests to the end: it has to come
 * while they are watched.
 */
export const HOSTILE_EXPIRY_SECONDS = 90;
/** The least that the API takes. */
export const LEAST_EXPIRY_SECONDS = 60;

export interface Planning {
  readonly chains: readonly ChaosChain[];
  readonly payments: number;
  readonly random: Random;
  /** Of payments that need not be paid. */
  readonly hostileExpirySeconds: number;
}

/**
 * Whether this payer does all that it takes. The others' payments may be made or not: what counts
 * is that the truth is told.
 */
export function mustBePaid({ character }: Pick<Plan, 'character'>): boolean {
  return character === 'honest' || character === 'honestWallet' || character === 'getsCode';
}

const SECOND_CHAIN_SHARE = 0.4;

export async function planPayments(planning: Planning): Promise<Plan[]> {
  const { chains, payments, random } = planning;
  const plans: Plan[] = [];
  for (const [index, chain] of chains.entries()) {
    const share = index === 0 ? 1 - SECOND_CHAIN_SHARE : SECOND_CHAIN_SHARE;
    plans.push(...(await planOnChain(chain, Math.round(payments * share), planning)));
  }
  return shuffle(plans, random);
}

async function planOnChain(
  chain: ChaosChain,
  count: number,
  { random, hostileExpirySeconds }: Planning,
): Promise<Plan[]> {
  const { home, token } = chain;
  const expiryOf = (character: Character) => {
    if (character === 'paysAtLast') return LEAST_EXPIRY_SECONDS;
    return mustBePaid({ character }) ? undefined : hostileExpirySeconds;
  };
  const share = (part: number) => Math.max(1, Math.round(count * part));
  const plan = (
    way: Way,
    customers: readonly PrivateKeyAccount[],
    character: Character = 'honest',
  ): Plan[] =>
    customers.map((customer) => ({
      chain,
      token,
      way,
      expirySeconds: expiryOf(character),
      character,
      customer,
      wallet: undefined,
    }));
  const create = (part: number, gasless: boolean) =>
    createCustomers(home, { count: share(part), token, gasless });

  const direct = await create(0.1, false);
  const takesBack = await create(0.02, false);
  const last = await create(0.04, false);
  // Signs a permit with each payment.
  const permitting = await create(0.3, true);
  const fickle = await create(0.03, true);
  // They pay for moving their tokens. Given now: what is not a transaction does not survive a
  // reorganisation.
  for (const { address } of fickle)
    await home.chain.testClient.setBalance({ address, value: 10n ** 18n });
  // Pay again and again, some of it at once.
  const regular = await create(0.1, false);
  const plans = [
    ...plan('direct', direct),
    ...plan('direct', takesBack, 'takesBack'),
    ...plan('direct', last, 'paysAtLast'),
    ...fickle.flatMap((customer) =>
      plan(random.pick(['forwarder', 'authorization']), [customer], 'movesTokensAway'),
    ),
  ];
  for (const character of ['honestWallet', 'changesItsMind', 'turnsCostly', 'wastesGas'] as const) {
    for (let times = share(0.01); times > 0; times--) {
      const wallet = await createContractWallet(home, token);
      if (character === 'turnsCostly' || character === 'wastesGas')
        await wallet.setMode(character === 'turnsCostly' ? 'turnCostly' : 'wasteGas');
      plans.push({
        chain,
        token,
        way: 'authorization',
        expirySeconds: expiryOf(character),
        character,
        customer: wallet.owner,
        wallet,
      });
    }
  }
  for (const character of ['getsCode', 'getsCostlyCode'] as const) {
    for (let times = share(0.02); times > 0; times--) {
      const way = random.pick(['forwarder', 'authorization'] as const);
      plans.push(
        ...plan(way, [await chain.delegated.createCustomer()], character).map((one) => ({
          ...one,
          token: chain.delegated.token,
        })),
      );
    }
  }
  for (const [index, customer] of permitting.entries())
    plans.push(...plan(index % 2 === 0 ? 'forwarder' : 'authorization', [customer]));
  for (let index = 0; plans.length < count; index++) {
    const customer = regular[index % regular.length];
    if (customer !== undefined)
      plans.push(...plan(index % 3 === 0 ? 'forwarder' : 'authorization', [customer]));
  }
  return plans;
}

export function payerOf({ customer, wallet }: Plan): Address {
  return wallet?.address ?? customer.address;
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
