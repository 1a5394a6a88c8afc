/**
 * A server that speaks the OpenZeppelin Defender relayer API, for development and tests: the real
 * SDK works against it unchanged when DEFENDER_API_URL is its address. It signs with a key of its
 * own, sends to a real chain, and misbehaves when told to (../relayer/faults.ts), also
 * over HTTP (../relayer/startSimulator.ts).
 */
import { keccak256 } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import {
  ApiError,
  isEqual,
  startSimulator,
  type Protocol,
  type Simulator,
  type SimulatorOptions,
} from '../relayer/startSimulator.ts';
import { createRelayerApi, type ListQuery } from './createRelayerApi.ts';
import { createTokens } from './createTokens.ts';
import { operations, type Operation } from './faults.ts';

export interface DefenderSimulatorOptions extends SimulatorOptions {
  apiKey: string;
  apiSecret: string;
  accessTokenTtlMs?: number;
}

/** Its `url` is what DEFENDER_API_URL is to be. */
export type DefenderSimulator = Simulator<Operation>;

const hour = 60 * 60 * 1000;

const routes: Protocol<Operation>['routes'] = [
  ['POST', /^\/auth\/login$/, 'login'],
  ['POST', /^\/auth\/refresh-token$/, 'refreshToken'],
  ['POST', /^\/relayers\/self\/txs$/, 'sendTransaction'],
  ['GET', /^\/relayers\/self\/txs$/, 'listTransactions'],
  // The last part is an id or a nonce. The SDK adds ?nonce=true only when it reads; the two cannot
  // be confused.
  ['GET', /^\/relayers\/self\/txs\/([\w-]+)$/, 'getTransaction'],
  ['PUT', /^\/relayers\/self\/txs\/([\w-]+)$/, 'replaceTransaction'],
  ['DELETE', /^\/relayers\/self\/txs\/([\w-]+)$/, 'cancelTransaction'],
  ['GET', /^\/relayers\/self$/, 'getRelayer'],
  ['GET', /^\/relayers\/self\/status$/, 'getRelayerStatus'],
  ['POST', /^\/relayers\/self\/sign$/, 'sign'],
  ['POST', /^\/relayers\/self\/sign-typed-data$/, 'signTypedData'],
  ['POST', /^\/relayers\/self\/jsonrpc$/, 'jsonRpc'],
];

export function startDefenderSimulator(
  options: DefenderSimulatorOptions,
): Promise<DefenderSimulator> {
  const { apiKey, apiSecret, accessTokenTtlMs = hour, rpcUrl, chainId } = options;
  const tokens = createTokens(apiSecret);
  // The same after a restart.
  const relayerId = keccak256(privateKeyToAccount(options.privateKey).address)
    .slice(2)
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');

  const login = (body: unknown, isRefresh: boolean): Record<string, string> => {
    const { apiKey: key, secretKey, refreshToken, type } = (body ?? {}) as Record<string, unknown>;
    if (!isEqual(key, apiKey) || !isEqual(secretKey, apiSecret))
      throw new ApiError(401, 'Unauthorized');
    if (type !== 'relay') throw new ApiError(400, 'type must be relay');
    if (isRefresh && !tokens.isValid(refreshToken, 'refresh'))
      throw new ApiError(401, 'Unauthorized');
    return {
      accessToken: tokens.issue('access', accessTokenTtlMs),
      refreshToken: isRefresh ? String(refreshToken) : tokens.issue('refresh', 30 * 24 * hour),
    };
  };

  return startSimulator(
    { ...options, relayerId },
    operations,
    ({ sender, isPaused }): Protocol<Operation> => {
      const relayer = createRelayerApi(sender, { rpcUrl, chainId, relayerId });
      return {
        routes,
        sessionOperations: ['login', 'refreshToken'],
        authenticate(request) {
          // The SDK tells these two apart: 403 is final, at a 401 it renews its token.
          if (!isEqual(request.headers['x-api-key'], apiKey)) throw new ApiError(403, 'Forbidden');
          const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
          if (!tokens.isValid(token, 'access')) throw new ApiError(401, 'Unauthorized');
        },
        handlers: {
          login: ({ body }) => login(body, false),
          refreshToken: ({ body }) => login(body, true),
          sendTransaction: ({ body, twist }) => relayer.send(body, twist),
          getTransaction: ({ key }) => relayer.get(key),
          listTransactions: ({ query }) => {
            const names = [
              'status',
              'since',
              'limit',
              'sort',
              'next',
            ] as const satisfies (keyof ListQuery)[];
            const page = relayer.list(
              Object.fromEntries(
                names.map((name) => [name, query.get(name)]),
              ) as unknown as ListQuery,
            );
            // Without the parameter older clients get a plain array.
            return query.get('usePagination') === 'true' ? page : page.items;
          },
          replaceTransaction: ({ key, body }) => relayer.replace(key, body),
          cancelTransaction: ({ key }) => relayer.cancel(key),
          getRelayer: () => relayer.describe(isPaused()),
          getRelayerStatus: () => relayer.describeStatus(isPaused()),
          sign: ({ body }) => relayer.sign(body),
          signTypedData: ({ body }) => relayer.signTypedData(body),
          jsonRpc: ({ body }) => relayer.jsonRpc(body),
        },
        paused: { status: 400, message: 'Relayer is paused' },
        formatError: ({ message }) => ({ message }),
      };
    },
  );
}
