/**
 * A server that speaks the part of the OpenZeppelin Relayer API that a payment server uses, for
 * development and tests. It signs with a key of its own, sends to a real chain, and misbehaves when
 * told to (../relayer/faults.ts), also over HTTP (../relayer/startSimulator.ts).
 *
 * As the real one, it answers a send before it has signed anything: without a hash, and without
 * having looked at its balance.
 */
import { isAddress, isHex } from 'viem';
import { z } from 'zod';
import type { SendRequest } from '../relayer/createSender.ts';
import {
  ApiError,
  isEqual,
  startSimulator,
  type Protocol,
  type Simulator,
  type SimulatorOptions,
} from '../relayer/startSimulator.ts';
import type { StoredTransaction } from '../relayer/transactionStore.ts';
import { operations, type Operation } from './operations.ts';
import { toOzTransaction } from './ozTransaction.ts';

export interface OzRelayerSimulatorOptions extends SimulatorOptions {
  /** As in the addresses of the API: /api/v1/relayers/{relayerId}. */
  relayerId: string;
  apiKey: string;
  /**
   * Where the real one keeps its transactions decides how it lists them: in Redis newest first
   * (default), in memory oldest first.
   */
  listOrder?: 'newestFirst' | 'oldestFirst';
  /** Early versions did not tell a transaction's data. */
  hidesData?: boolean;
}

/** Its `url` is the server's, without /api/v1. */
export type OzRelayerSimulator = Simulator<Operation>;

const defaultValidityMs = 8 * 60 * 60 * 1000;

const speeds = { slow: 'safeLow', average: 'average', fast: 'fast', fastest: 'fastest' } as const;
const price = z.number().int().min(0);

const sendSchema = z
  .object({
    to: z
      .string()
      .refine((text) => isAddress(text, { strict: false }), 'Invalid address')
      .nullish(),
    value: z.number().int().min(0),
    data: z
      .string()
      .refine((text) => isHex(text), 'Invalid hex')
      .nullish(),
    gas_limit: z.number().int().min(21_000),
    speed: z.enum(['slow', 'average', 'fast', 'fastest']).nullish(),
    gas_price: price.nullish(),
    max_fee_per_gas: price.nullish(),
    max_priority_fee_per_gas: price.nullish(),
    valid_until: z.iso
      .datetime({ offset: true, error: 'Invalid validUntil datetime format' })
      .nullish(),
  })
  .refine(
    ({ to, data }) => to != null || data != null,
    'Both txs `to` and `data` fields are missing. At least one of them has to be set.',
  )
  .refine(
    ({ valid_until: until }) => until == null || Date.parse(until) >= Date.now(),
    'The validUntil time cannot be in the past',
  )
  .refine(
    ({ speed, gas_price: gasPrice, max_fee_per_gas: maxFee, max_priority_fee_per_gas: tip }) =>
      (speed == null ? 0 : 1) +
        (gasPrice == null ? 0 : 1) +
        (maxFee == null && tip == null ? 0 : 1) ===
        1 && (maxFee == null) === (tip == null),
    'Transaction must specify either gasPrice, speed, or both EIP1559 parameters',
  );

export function startOzRelayerSimulator(
  options: OzRelayerSimulatorOptions,
): Promise<OzRelayerSimulator> {
  const { relayerId, apiKey, listOrder = 'newestFirst' } = options;
  const base = `^/api/v1/relayers/${relayerId.replace(/[^\w-]/g, '\\$&')}`;
  const path = (rest: string): RegExp => new RegExp(`${base}${rest}/?$`);
  const routes: Protocol<Operation>['routes'] = [
    ['POST', path('/transactions'), 'sendTransaction'],
    ['GET', path('/transactions'), 'listTransactions'],
    ['GET', path('/transactions/by-nonce/(\\d+)'), 'getTransactionByNonce'],
    ['GET', path('/transactions/([^/]+)'), 'getTransaction'],
    ['GET', path(''), 'getRelayer'],
    ['GET', path('/status'), 'getRelayerStatus'],
    ['GET', path('/balance'), 'getRelayerBalance'],
  ];
  const succeed = (data: unknown, rest: object = {}): object => ({
    success: true,
    data,
    error: null,
    ...rest,
  });
  const show = (transaction: StoredTransaction): object => {
    const { data, ...shown } = toOzTransaction(transaction);
    return options.hidesData === true ? shown : { ...shown, data };
  };

  return startSimulator(options, operations, ({ sender, isPaused }): Protocol<Operation> => {
    const showFound = (found: StoredTransaction | undefined, name: string): object => {
      if (found === undefined) throw new ApiError(404, `Transaction with ${name} not found`);
      return succeed(show(found));
    };
    return {
      routes,
      sessionOperations: [],
      authenticate(request) {
        if (!isEqual(request.headers.authorization, `Bearer ${apiKey}`))
          throw new ApiError(401, 'Unauthorized');
      },
      handlers: {
        async sendTransaction({ body, twist }) {
          const { transactionId } = await sender.send(parseSend(body), {
            intentForMs: 0,
            ...twist,
          });
          return showFound(sender.store.findById(transactionId), `ID ${transactionId}`);
        },
        listTransactions({ query }) {
          const [page, perPage] = [
            readPositive(query, 'page', 1),
            readPositive(query, 'per_page', 10),
          ];
          const all = sender.store.all().sort((a, b) => a.sequence - b.sequence);
          if (listOrder === 'newestFirst') all.reverse();
          const items = all.slice((page - 1) * perPage, page * perPage);
          return succeed(items.map(show), {
            pagination: { current_page: page, per_page: perPage, total_items: all.length },
          });
        },
        getTransaction: ({ key }) => showFound(sender.store.findById(key), `ID ${key}`),
        getTransactionByNonce: ({ key }) =>
          showFound(sender.store.findByNonce(Number(key)), `nonce ${key}`),
        getRelayer: () =>
          succeed({
            id: relayerId,
            name: 'Development relayer',
            network: `chain-${options.chainId}`,
            network_type: 'evm',
            paused: isPaused(),
            signer_id: 'development',
            address: sender.account.address,
            system_disabled: false,
          }),
        getRelayerStatus: async ({ query }) => {
          const last = sender.store.all().findLast(({ shown }) => shown.status === 'confirmed');
          return succeed({
            network_type: 'evm',
            ...(query.get('include_balance') === 'false'
              ? {}
              : { balance: (await sender.balance()).toString() }),
            pending_transactions_count: sender.unmined().length,
            ...(query.get('include_last_confirmed_tx') === 'false'
              ? {}
              : { last_confirmed_transaction_timestamp: last?.minedAt ?? null }),
            system_disabled: false,
            paused: isPaused(),
            nonce: String(await sender.nextNonce()),
          });
        },
        getRelayerBalance: async () =>
          succeed({ balance: Number(await sender.balance()), unit: 'wei' }),
      },
      paused: { status: 403, message: 'Relayer paused' },
      formatError({ status, message, retryAfterSeconds }) {
        if (status === 401) return { success: false, code: 401, error: 'Unauthorized', message };
        if (status === 429)
          return {
            success: false,
            code: 429,
            error: 'TooManyRequests',
            message,
            after: retryAfterSeconds ?? 0,
          };
        return { success: false, data: null, error: message };
      },
    };
  });
}

/** @throws ApiError */
function parseSend(body: unknown): SendRequest {
  const parsed = sendSchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new ApiError(400, `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim());
  }
  const {
    to,
    value,
    data,
    gas_limit: gasLimit,
    speed,
    gas_price: gasPrice,
    valid_until: validUntil,
  } = parsed.data;
  const { max_fee_per_gas: maxFeePerGas, max_priority_fee_per_gas: maxPriorityFeePerGas } =
    parsed.data;
  return {
    value: BigInt(value),
    gasLimit,
    validUntil: new Date(
      validUntil == null ? Date.now() + defaultValidityMs : Date.parse(validUntil),
    ).toISOString(),
    ...(to == null ? {} : { to: to }),
    ...(data == null ? {} : { data: data }),
    ...(speed == null ? {} : { speed: speeds[speed] }),
    ...(gasPrice == null ? {} : { gasPrice }),
    ...(maxFeePerGas == null ? {} : { maxFeePerGas }),
    ...(maxPriorityFeePerGas == null ? {} : { maxPriorityFeePerGas }),
  };
}

/** @throws ApiError */
function readPositive(query: URLSearchParams, name: string, fallback: number): number {
  const value = Number(query.get(name) ?? fallback);
  if (!Number.isInteger(value) || value < 1)
    throw new ApiError(400, `${name} must be a positive number`);
  return value;
}
