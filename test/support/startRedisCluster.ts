import { mkdtempSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { findFreePort } from '../../dev/freePort.ts';
import { startRedis, type RedisServer } from '../../dev/redis.ts';
import { createRedis, type RedisConnection } from '../../platform/redis.ts';
import { tlsConfiguration, type GroupTls } from './tlsConfiguration.ts';
import { waitUntil } from './waitUntil.ts';

const SLOTS = 16_384;
/**
 * So many neighbouring slots are on one node. What a node tells of where they are is a line for
 * each such block: with one for each slot, a client would be busy for a tenth of a second each
 * time.
 */
const BLOCK = 64;
const HOST = '127.0.0.1';

export interface RedisCluster {
  readonly password: string;
  /** Three primaries, each with every third block of slots. */
  readonly nodes: readonly RedisServer[];
  /** Each primary's, in their order; none without `hasReplicas`. */
  readonly replicas: readonly RedisServer[];
  /** A connection to each of them alone: the primaries, then the replicas. */
  readonly admins: readonly RedisConnection[];
  /** Where clients reach the primaries: by TLS, with `tls`. */
  readonly ports: readonly number[];
  /** Of the primaries, `host:port,host:port,…`: what comes after the password in REDIS_URL. */
  readonly hosts: string;
  /** @returns the primary that has the key */
  indexOf(key: string): Promise<number>;
  close(): Promise<void>;
}

export interface RedisClusterOptions {
  readonly hasReplicas?: boolean;
  /** After which the others give a silent node up. */
  readonly nodeTimeoutMs: number;
  readonly tls?: GroupTls;
}

/** Servers of this machine as a Redis Cluster. Keys of any kind are on all of them. */
export async function startRedisCluster({
  hasReplicas = false,
  nodeTimeoutMs,
  tls,
}: RedisClusterOptions): Promise<RedisCluster> {
  const password = randomBytes(16).toString('hex');
  const folder = mkdtempSync(join(tmpdir(), 'msqpay-cluster-'));
  const nodes: RedisServer[] = [];
  const replicas: RedisServer[] = [];
  const admins: RedisConnection[] = [];
  const ports: number[] = [];

  const start = async (name: string) => {
    const busPort = await findFreePort();
    const tlsPort = await findFreePort();
    const configuration = [
      'cluster-enabled yes',
      // Without it the bus would be at the port + 10,000, which there may not be.
      `cluster-port ${busPort}`,
      `cluster-node-timeout ${nodeTimeoutMs}`,
      `masterauth ${password}`,
      ...tlsConfiguration(tls, tlsPort),
      ...(tls === undefined ? [] : ['tls-cluster yes']),
    ];
    const server = await startRedis({
      dataDir: join(folder, name),
      logPath: join(folder, `${name}.log`),
      password,
      configuration,
    });
    const port = tls === undefined ? server.port : tlsPort;
    const admin = createRedis(server.url, 'worker');
    // Servers are ended and started again.
    admin.on('error', () => undefined);
    if (admins[0] !== undefined) await admins[0].call('CLUSTER', 'MEET', HOST, port, busPort);
    admins.push(admin);
    return { server, admin, port };
  };

  async function close(): Promise<void> {
    for (const admin of admins) admin.disconnect();
    await Promise.all([...nodes, ...replicas].map((server) => server.close()));
    rmSync(folder, { recursive: true, force: true });
  }

  try {
    for (const name of ['one', 'two', 'three']) {
      const { server, admin, port } = await start(name);
      const slots = Array.from({ length: SLOTS }, (_, slot) => slot).filter(
        (slot) => indexOfSlot(slot) === nodes.length,
      );
      await admin.call('CLUSTER', 'ADDSLOTS', ...slots);
      nodes.push(server);
      ports.push(port);
    }
    for (const primary of hasReplicas ? admins.slice() : []) {
      const { server, admin } = await start(`replica${replicas.length}`);
      replicas.push(server);
      const id = String(await primary.call('CLUSTER', 'MYID'));
      await waitUntil(
        async () => String(await admin.call('CLUSTER', 'NODES')).includes(`${id} ${HOST}`),
        { what: 'its primary' },
      );
      await admin.call('CLUSTER', 'REPLICATE', id);
      await waitUntil(async () => /master_link_status:up/.test(await admin.info('replication')), {
        what: 'the replica',
      });
    }
    const isWhole = new RegExp(`cluster_state:ok[\\s\\S]*cluster_known_nodes:${admins.length}\\b`);
    for (const admin of admins) {
      await waitUntil(async () => isWhole.test(String(await admin.call('CLUSTER', 'INFO'))), {
        what: 'the cluster',
      });
    }
  } catch (error) {
    await close();
    throw error;
  }

  return {
    password,
    nodes,
    replicas,
    admins,
    ports,
    hosts: ports.map((port) => `${HOST}:${port}`).join(','),
    indexOf: async (key) => indexOfSlot(Number(await admins[0]!.call('CLUSTER', 'KEYSLOT', key))),
    close,
  };
}

function indexOfSlot(slot: number): number {
  return Math.floor(slot / BLOCK) % 3;
}
