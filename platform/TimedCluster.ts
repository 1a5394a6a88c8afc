import dns from 'node:dns';
import {
  Cluster,
  type ClusterNode,
  type ClusterOptions,
  type DNSLookupFunction,
  type Redis,
} from 'ioredis';

import {
  endSilenceWithConnection,
  endWaiting,
  SILENCE_OF_CONSUMER_MS,
  TimedRedis,
} from './TimedRedis.ts';

export interface TimedClusterOptions extends ClusterOptions {
  /**
   * A command is waited for as long as this, however many nodes it was sent to, and has failed at
   * once while no node at all is connected. Absent: it waits.
   */
  readonly answerTimeoutMs?: number;
}

/** A node that cannot be connected is tried this often; so is one whose connections end at once. */
const LOOK_AGAIN_MS = 500;
/**
 * What each node holds is asked for this often, of any node: after a failover the connections to
 * the one that was replaced are left, and so is the one that listens, which no option of ours makes
 * end by itself. Not by ioredis's own option for it, which goes on for ever when the connections
 * end while it asks, so that a process would never end.
 */
const SLOTS_REFRESH_MS = 3_000;

/** What we use of ioredis's own, by the address of each node. */
interface ConnectionPool {
  getInstanceByKey(key: string): Redis | undefined;
  findOrCreate(node: { readonly host: string; readonly port: number }, readOnly: boolean): Redis;
}

/**
 * Connections to the nodes of a cluster, which ioredis 5.11 makes by itself. Their times for
 * silence are put right as in TimedRedis, and all of them end with the cluster.
 *
 * ioredis connects to a node with the first command for it, and forgets a node whose connection
 * ended until a command is sent elsewhere by mistake. Where commands must not wait for the cluster
 * it refuses all others for that node meanwhile, and tries each of them again a tenth of a second
 * later. Here they wait for the node; who has a time for answers is connected before anybody asks;
 * and a connection that ended is made anew.
 */
export class TimedCluster extends Cluster {
  readonly #startupNodes: readonly ClusterNode[];
  readonly #nodes = new Set<Redis>();
  readonly #answerTimeoutMs: number | undefined;
  #lookingAgain: NodeJS.Timeout | undefined;
  #refreshing: NodeJS.Timeout | undefined;
  #lastFailure: Error | undefined;

  constructor(
    startupNodes: readonly ClusterNode[],
    { answerTimeoutMs, ...options }: TimedClusterOptions,
  ) {
    // Without asking whether the cluster is whole before it counts as connected: while it is not,
    // for as long as a replica takes over, BullMQ would wait for ever for a `connect()` that
    // neither succeeds nor fails, and its consumers would stand still from then on. What a node
    // cannot do fails by itself.
    let failures = 0;
    super([...startupNodes], {
      ...options,
      dnsLookup:
        options.redisOptions?.tls === undefined ? createLookupInTurn(() => failures) : keepName,
      enableReadyCheck: false,
      enableOfflineQueue: true,
    });
    this.#startupNodes = startupNodes;
    this.#answerTimeoutMs = answerTimeoutMs;
    // The first is made in a later turn of the event loop.
    this.on('+node', (node: Redis) => this.#takeOn(node));
    // It says only that no node answered.
    this.on('error', (error: Error) => {
      failures += 1;
      error.cause ??= this.#lastFailure;
    });
    this.on('ready', () => {
      for (const node of this.nodes('master')) this.#connectEarly(node);
      this.#beginRefreshing();
    });
    this.on('close', () => clearInterval(this.#refreshing));
  }

  override sendCommand(...sent: Parameters<Cluster['sendCommand']>): unknown {
    const [command] = sent;
    if (this.#answerTimeoutMs !== undefined) {
      if (this.status !== 'ready') {
        command.reject(new Error('Connection is closed.'));
        return command.promise;
      }
      command.setTimeout(this.#answerTimeoutMs);
    }
    return super.sendCommand(...sent);
  }

  override disconnect(reconnect = false): void {
    const isWaiting = this.status === 'reconnecting';
    clearTimeout(this.#lookingAgain);
    this.#lookingAgain = undefined;
    clearInterval(this.#refreshing);
    super.disconnect(reconnect);
    for (const node of this.#nodes) node.disconnect();
    if (isWaiting && !reconnect) endWaiting(this);
  }

  /** How BullMQ makes the connections of its consumers out of ours. */
  override duplicate(
    startupNodes: readonly ClusterNode[] = [],
    options: ClusterOptions = {},
  ): TimedCluster {
    return new TimedCluster(startupNodes.length > 0 ? startupNodes : this.#startupNodes, {
      ...this.options,
      ...options,
      redisOptions: {
        ...this.options.redisOptions,
        ...options.redisOptions,
        socketTimeout: SILENCE_OF_CONSUMER_MS,
      },
    });
  }

  #takeOn(node: Redis): void {
    this.#nodes.add(node);
    endSilenceWithConnection(node);
    // What the nodes hold is asked for on connections of their own.
    node.duplicate = (override) => {
      const asking = new TimedRedis({ ...node.options, ...override });
      asking.on('error', (error: Error) => {
        this.#lastFailure = error;
      });
      return asking;
    };
    let readyAt = Infinity;
    node.once('ready', () => {
      readyAt = performance.now();
    });
    // ioredis's own, the only one so far. It goes by the address, and would forget the connection
    // to a node that was left and came back before the one before had ended.
    const [forget] = node.listeners('end') as (() => void)[];
    node.removeAllListeners('end');
    node.once('end', () => {
      this.#nodes.delete(node);
      // None is left to forget, and who closes a consumer must not be told again that it was lost:
      // he would connect anew.
      if (this.status === 'end') return;
      const current = this.#pool.getInstanceByKey(keyOf(node));
      if (current === undefined || current === node) forget?.();
      if (current === node && this.status === 'ready')
        this.#replace(node, performance.now() - readyAt);
    });
    if (this.status === 'ready' && node.options.readOnly !== true) this.#connectEarly(node);
  }

  /** @param workedForMs below 0: it could not be connected */
  #replace(node: Redis, workedForMs: number): void {
    const { host = '', port = 0, readOnly = false } = node.options;
    if (workedForMs >= LOOK_AGAIN_MS) this.#pool.findOrCreate({ host, port }, readOnly);
    else this.#lookAgainSoon();
  }

  /** Nodes that the cluster has and we have no connection to are taken on again. */
  #lookAgainSoon(): void {
    this.#lookingAgain ??= setTimeout(() => {
      this.#lookingAgain = undefined;
      if (this.status === 'ready') this.refreshSlotsCache();
    }, LOOK_AGAIN_MS).unref();
  }

  #beginRefreshing(): void {
    clearInterval(this.#refreshing);
    this.#refreshing = setInterval(() => {
      if (this.status === 'ready') this.refreshSlotsCache();
    }, SLOTS_REFRESH_MS).unref();
  }

  #connectEarly(node: Redis): void {
    if (this.#answerTimeoutMs === undefined || node.status !== 'wait') return;
    // That it failed is told by its events.
    node.connect().catch(() => undefined);
  }

  get #pool(): ConnectionPool {
    const pool: unknown = Reflect.get(this, 'connectionPool');
    return pool as ConnectionPool;
  }
}

function keyOf({ options: { host = '', port = 0 } }: Redis): string {
  return `${host}:${port}`;
}

/**
 * A certificate is for the name, and an address that was looked up before would be compared with
 * it.
 */
const keepName: DNSLookupFunction = (host, done) => done(null, host);

/**
 * Of a name that has several addresses ioredis takes one. The first may be dead, and would be taken
 * again and again: after each failure it is the next one's turn.
 */
function createLookupInTurn(countFailures: () => number): DNSLookupFunction {
  return (host, done) => {
    dns.lookup(host, { all: true }, (error, addresses) => {
      if (error !== null) {
        done(error, '');
        return;
      }
      const chosen = addresses[countFailures() % addresses.length];
      done(null, chosen?.address ?? '', chosen?.family);
    });
  };
}
