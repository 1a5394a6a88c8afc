import { concat, isHex, keccak256, parseSignature } from 'viem';
import type { Hex } from 'viem';
import type { Sender } from '../relayer/createSender.ts';
import type { TransactionTwist } from '../relayer/faults.ts';
import { ApiError } from '../relayer/startSimulator.ts';
import type { RelayerTransaction, Status, StoredTransaction } from '../relayer/transactionStore.ts';
import { fieldsOf, isHash, parsePayload } from './parsePayload.ts';

export interface ListQuery {
  status: string | null;
  since: string | null;
  limit: string | null;
  sort: string | null;
  next: string | null;
}

/**
 * What the Defender API offers to whoever has logged in. Each may throw ApiError or SendRefused.
 */
export interface RelayerApi {
  send(body: unknown, twist: TransactionTwist): Promise<RelayerTransaction>;
  /** `key`: a transaction id, or a nonce in digits. */
  get(key: string): RelayerTransaction;
  list(query: ListQuery): { items: RelayerTransaction[]; next?: string };
  replace(key: string, body: unknown): Promise<RelayerTransaction>;
  /**
   * Defender takes back only what it has not signed; anything else is replaced by an empty transfer
   * instead.
   */
  cancel(key: string): Promise<{ message: string }>;
  describe(isPaused: boolean): Promise<Record<string, unknown>>;
  describeStatus(isPaused: boolean): Promise<Record<string, unknown>>;
  sign(body: unknown): Promise<Record<string, unknown>>;
  signTypedData(body: unknown): Promise<Record<string, unknown>>;
  jsonRpc(body: unknown): Promise<Record<string, unknown>>;
}

/** Each status that the list's filter knows, and what it stands for. */
const statusGroups: Record<string, readonly Status[]> = {
  pending: ['pending', 'sent', 'submitted', 'inmempool'],
  mined: ['mined', 'confirmed'],
  failed: ['failed'],
  expired: ['expired'],
};

export function createRelayerApi(
  sender: Sender,
  options: { rpcUrl: string; chainId: number; relayerId: string },
): RelayerApi {
  const { chainId, relayerId } = options;
  const { account } = sender;
  const createdAt = new Date().toISOString();
  let sends = 0;
  let rpcCalls = 0;

  const findByKey = (key: string): StoredTransaction => {
    const found = /^\d+$/.test(key)
      ? sender.store.findByNonce(Number(key))
      : sender.store.findById(key);
    if (found === undefined) throw new ApiError(404, `Transaction ${key} not found`);
    return found;
  };

  return {
    async send(body, twist) {
      const payload = parsePayload(body, chainId);
      sends += 1;
      return sender.send(payload, twist);
    },

    get: (key) => ({ ...findByKey(key).shown }),

    list({ status, since, limit, sort, next }) {
      const wanted = status === null ? undefined : statusGroups[status];
      if (status !== null && wanted === undefined)
        throw new ApiError(400, `Unknown status ${status}`);
      const size = limit === null ? 100 : Number(limit);
      if (!Number.isInteger(size) || size < 1)
        throw new ApiError(400, 'limit must be a positive number');
      const from = since === null ? 0 : Date.parse(since);
      if (Number.isNaN(from)) throw new ApiError(400, 'since must be a date');
      const isAscending = sort === 'asc';
      const cursor =
        next === null || next === ''
          ? undefined
          : Number(Buffer.from(next, 'base64url').toString());
      const matching = sender.store
        .all()
        .filter(
          ({ shown }) =>
            (wanted === undefined || wanted.includes(shown.status)) &&
            Date.parse(shown.createdAt) >= from,
        )
        .filter(
          ({ sequence }) =>
            cursor === undefined || (isAscending ? sequence > cursor : sequence < cursor),
        )
        .sort((a, b) => (isAscending ? a.sequence - b.sequence : b.sequence - a.sequence));
      const page = matching.slice(0, size);
      const last = page.at(-1);
      return {
        items: page.map(({ shown }) => ({ ...shown })),
        ...(matching.length > size && last !== undefined
          ? { next: Buffer.from(String(last.sequence)).toString('base64url') }
          : {}),
      };
    },

    replace: async (key, body) => sender.replace(() => findByKey(key), parsePayload(body, chainId)),

    async cancel(key) {
      await sender.forget(() => findByKey(key));
      return { message: `Transaction ${key} was cancelled` };
    },

    describe: (isPaused) =>
      Promise.resolve({
        relayerId,
        name: 'Development relayer',
        address: account.address,
        network: networkName(chainId),
        paused: isPaused,
        createdAt,
        pendingTxCost: sender.pendingCost().toString(),
        minBalance: '100000000000000000',
        policies: { EIP1559Pricing: true },
      }),

    async describeStatus(isPaused) {
      const last = sender.store
        .all()
        .filter(({ shown }) => shown.status === 'confirmed')
        .at(-1);
      return {
        relayerId,
        name: 'Development relayer',
        nonce: await sender.nextNonce(),
        address: account.address,
        numberOfPendingTransactions: sender.unmined().length,
        paused: isPaused,
        pendingTxCost: sender.pendingCost().toString(),
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
      if (typeof message !== 'string') throw new ApiError(400, 'message is required');
      return splitSignature(
        await account.signMessage({ message: isHex(message) ? { raw: message } : message }),
      );
    },

    async signTypedData(body) {
      const { domainSeparator, hashStructMessage } = fieldsOf(body);
      if (!isHash(domainSeparator) || !isHash(hashStructMessage))
        throw new ApiError(400, 'domainSeparator and hashStructMessage are required');
      return splitSignature(
        await account.sign({
          hash: keccak256(concat(['0x1901', domainSeparator, hashStructMessage])),
        }),
      );
    },

    async jsonRpc(body) {
      rpcCalls += 1;
      const { id, method, params } = fieldsOf(body);
      if (typeof method !== 'string') throw new ApiError(400, 'method is required');
      // Passed on as it is: the answer, an error included, is the node's.
      const response = await fetch(options.rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: id ?? 1, method, params: params ?? [] }),
        signal: AbortSignal.timeout(10_000),
      });
      return (await response.json()) as Record<string, unknown>;
    },
  };
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
