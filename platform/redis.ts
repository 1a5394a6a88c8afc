import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import type { Cluster, Redis, RedisOptions } from 'ioredis';

import { createAddressLimits } from './createAddressLimits.ts';
import { createRedisConnector } from './createRedisConnector.ts';
import { parseRedisUrl, type RedisAddress } from './redisUrl.ts';
import { TimedCluster } from './TimedCluster.ts';
import { TimedRedis } from './TimedRedis.ts';
import type { TlsSettings } from './tlsSettings.ts';

/**
 * To one server, to whichever is primary by Sentinel's word, or to a cluster: they take the same
 * commands.
 */
export type RedisConnection = Redis | Cluster;

/**
 * Kinds of connection, because they must fail differently.
 * - `command`: requests and producers. Fails at once while Redis is away, so that a caller can go
 *   on without it.
 * - `worker`: BullMQ's consumers. Waits for Redis as long as it takes.
 * - `subscriber`: waits likewise.
 */
export type RedisConnectionKind = 'command' | 'worker' | 'subscriber';

const CONNECT_TIMEOUT_MS = 5_000;
/**
 * A command that is not answered in this time has failed; a sentinel that does not answer in this
 * time is passed over.
 */
const ANSWER_TIMEOUT_MS = 2_000;
/**
 * A server that is cut off, or behind a name that leads elsewhere by now, may leave its connections
 * open and silent, for a quarter of an hour by TCP's own rules. One that waits for an answer this
 * long without a byte is made anew.
 */
const SILENCE_MS = 5_000;
/** A server that is left is waited for so long to end its side; a silent one does not. */
const DISCONNECT_TIMEOUT_MS = 500;
const RECONNECT_AND_SEND_AGAIN = 2;

/**
 * Redis is there and does not work for us: a former primary after a failover (READONLY), one that
 * is still reading its data (LOADING), or a replica without its primary (MASTERDOWN). Nothing of
 * the command was done. On a new connection the address may lead to another one.
 */
function reconnectOnError(error: Error): typeof RECONNECT_AND_SEND_AGAIN | false {
  return /\b(READONLY|LOADING|MASTERDOWN)\b/.test(error.message) ? RECONNECT_AND_SEND_AGAIN : false;
}

const retryStrategy = (times: number) => Math.min(50 * times, 1_000);

/**
 * Connects, and goes on trying.
 * @param url as in REDIS_URL
 * @throws ConfigError when the URL is not right
 */
export function createRedis(url: string, kind: RedisConnectionKind): RedisConnection {
  const address = parseRedisUrl(url);
  const isCommand = kind === 'command';
  const common: RedisOptions = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    reconnectOnError,
    maxRetriesPerRequest: isCommand ? 1 : null,
    ...(isCommand ? { commandTimeout: ANSWER_TIMEOUT_MS } : {}),
    ...loginOf(address),
  };
  if (address.kind === 'cluster') return createCluster(address, common, isCommand);
  return new TimedRedis({
    ...common,
    retryStrategy,
    db: address.database,
    ...(isCommand ? { enableOfflineQueue: false, enableAutoPipelining: true } : {}),
    ...(address.kind === 'single' ? singleOptions(address) : sentinelOptions(address)),
  });
}

function singleOptions({ node, tls }: RedisAddress & { kind: 'single' }): RedisOptions {
  return {
    ...node,
    Connector: createRedisConnector(createAddressLimits(CONNECT_TIMEOUT_MS)),
    ...(tls === undefined ? {} : { tls: tlsOptions(tls, node.host) }),
  };
}

function sentinelOptions({
  sentinels,
  name,
  tls,
  sentinelLogin,
}: RedisAddress & { kind: 'sentinel' }): RedisOptions {
  return {
    sentinels: [...sentinels],
    name,
    ...(tls === undefined ? {} : { tls: tlsOptions(tls), enableTLSForSentinelMode: true }),
    ...(sentinelLogin.user === undefined ? {} : { sentinelUsername: sentinelLogin.user }),
    ...(sentinelLogin.password === undefined ? {} : { sentinelPassword: sentinelLogin.password }),
    ...(sentinelLogin.tls === undefined ? {} : { sentinelTLS: tlsOptions(sentinelLogin.tls) }),
    sentinelCommandTimeout: ANSWER_TIMEOUT_MS,
    sentinelRetryStrategy: retryStrategy,
    // A former primary that is cut off says nothing: the sentinels do, on connections that are made
    // again when they end.
    failoverDetector: true,
    sentinelReconnectStrategy: () => 5_000,
  };
}

/**
 * Without the pipelines that ioredis makes by itself: there a command would throw, and not fail,
 * while its slot is on no node. A node that was cut off is tried anew soon: TCP asks ever more
 * seldom, and would find it seconds after it answers.
 */
function createCluster(
  { nodes, tls }: RedisAddress & { kind: 'cluster' },
  common: RedisOptions,
  isCommand: boolean,
): TimedCluster {
  return new TimedCluster(nodes, {
    clusterRetryStrategy: retryStrategy,
    slotsRefreshTimeout: ANSWER_TIMEOUT_MS,
    ...(isCommand ? { answerTimeoutMs: ANSWER_TIMEOUT_MS } : {}),
    redisOptions: {
      ...common,
      connectTimeout: ANSWER_TIMEOUT_MS,
      Connector: createRedisConnector(createAddressLimits(ANSWER_TIMEOUT_MS)),
      ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
    },
  });
}

function loginOf({ user, password }: RedisAddress): RedisOptions {
  return {
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
  };
}

/**
 * @param host the one that is connected to, when there is only one: servers may choose their
 * certificate by its name
 */
function tlsOptions(
  { ca, cert, key, verify, serverName }: TlsSettings,
  host?: string,
): ConnectionOptions {
  const name = serverName ?? host;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(name === undefined || isIP(name) !== 0 ? {} : { servername: name }),
    rejectUnauthorized: verify !== 'nothing',
    checkServerIdentity: (asked, certificate) =>
      verify === 'identity' ? checkServerIdentity(serverName ?? asked, certificate) : undefined,
  };
}
