import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { findFreePort } from '../../dev/freePort.ts';
import { startRedis, type RedisServer } from '../../dev/redis.ts';
import { createRedis, type RedisConnection } from '../../platform/redis.ts';
import { closeAll } from './closeAll.ts';
import { tlsConfiguration, type GroupTls } from './tlsConfiguration.ts';
import { waitUntil } from './waitUntil.ts';

const HOST = '127.0.0.1';

/** A primary and a replica, each a process, and three sentinels that decide which is which. */
export interface SentinelGroup {
  /** Of servers and sentinels. */
  readonly password: string;
  readonly servers: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];
  /** To the first sentinel alone. */
  readonly sentinel: RedisConnection;
  /**
   * Of the sentinels, `host:port,host:port,…`: what comes after the password in REDIS_URL. With
   * `tls`, where they speak it.
   */
  readonly hosts: string;
  /** @returns the one that the sentinels name */
  findPrimary(): Promise<RedisServer>;
  /** Where clients reach it: by TLS, with `tls`. */
  portOf(server: RedisServer): number;
  close(): Promise<void>;
}

export async function startRedisSentinel({
  name,
  tls,
}: {
  readonly name: string;
  readonly tls?: GroupTls;
}): Promise<SentinelGroup> {
  const password = randomBytes(16).toString('hex');
  const folder = mkdtempSync(join(tmpdir(), 'msqpay-sentinel-'));
  const ports = new Map<RedisServer, number>();
  const servers: RedisServer[] = [];
  const sentinels: RedisServer[] = [];

  const start = async (
    folderName: string,
    configuration: readonly string[],
    isSentinel = false,
  ) => {
    const tlsPort = await findFreePort();
    const server = await startRedis({
      dataDir: join(folder, folderName),
      logPath: join(folder, `${folderName}.log`),
      password,
      configuration: [...tlsConfiguration(tls, tlsPort), ...configuration],
      isSentinel,
    });
    ports.set(server, tls === undefined ? server.port : tlsPort);
    return server;
  };
  const portOf = (server: RedisServer) => ports.get(server)!;

  const connections: RedisConnection[] = [];
  async function close(): Promise<void> {
    for (const connection of connections) connection.disconnect();
    await closeAll([...sentinels, ...servers].map((server) => () => server.close()));
    rmSync(folder, { recursive: true, force: true });
  }

  try {
    servers.push(await start('first', [`masterauth ${password}`]));
    const first = portOf(servers[0]!);
    servers.push(await start('second', [`masterauth ${password}`, `replicaof ${HOST} ${first}`]));
    for (const folderName of ['one', 'two', 'three']) {
      const lines = [
        `sentinel monitor ${name} ${HOST} ${first} 2`,
        `sentinel auth-pass ${name} ${password}`,
        `sentinel sentinel-pass ${password}`,
        `sentinel down-after-milliseconds ${name} 1000`,
        `sentinel failover-timeout ${name} 6000`,
      ];
      sentinels.push(await start(folderName, lines, true));
    }
    connections.push(createRedis(sentinels[0]!.url, 'worker'));
    await waitUntil(
      async () => /slaves=1,sentinels=3/.test(await connections[0]!.info('sentinel')),
      {
        what: 'the sentinels to know each other',
        timeoutMs: 60_000,
      },
    );
  } catch (error) {
    await close();
    throw error;
  }
  const sentinel = connections[0]!;

  return {
    password,
    servers,
    sentinels,
    sentinel,
    hosts: sentinels.map((server) => `${HOST}:${portOf(server)}`).join(','),
    async findPrimary() {
      const port = Number(
        ((await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)) as string[])[1],
      );
      const primary = servers.find((server) => portOf(server) === port);
      if (primary === undefined) throw new Error('the primary is none of ours');
      return primary;
    },
    portOf,
    close,
  };
}
