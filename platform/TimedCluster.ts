import { Cluster, type ClusterNode, type ClusterOptions, type Redis } from 'ioredis';

import { endSilenceWithConnection, endWaiting, SILENCE_OF_CONSUMER_MS, TimedRedis } from './TimedRedis.ts';

/**
 * Connections to the nodes of a cluster, which ioredis 5.11 makes by itself. Their times for silence
 * are put right as in TimedRedis, and all of them end with the cluster: ioredis forgets the
 * connection to a node that was left and came back before the one before had ended.
 */
export class TimedCluster extends Cluster {
  readonly #startupNodes: readonly ClusterNode[];
  readonly #nodes = new Set<Redis>();

  constructor(startupNodes: readonly ClusterNode[], options: ClusterOptions) {
    // Without asking whether the cluster is whole before it counts as connected: while it is not, for
    // as long as a replica takes over, BullMQ would wait for ever for a `connect()` that neither
    // succeeds nor fails, and its consumers would stand still from then on. What a node cannot do
    // fails by itself.
    super([...startupNodes], { ...options, enableReadyCheck: false });
    this.#startupNodes = startupNodes;
    // The first is made in a later turn of the event loop.
    this.on('+node', (node: Redis) => {
      this.#nodes.add(node);
      node.once('end', () => this.#nodes.delete(node));
      endSilenceWithConnection(node);
      // What the nodes hold is asked for on connections of their own.
      node.duplicate = (override) => new TimedRedis({ ...node.options, ...override });
    });
  }

  override disconnect(reconnect = false): void {
    const isWaiting = this.status === 'reconnecting';
    super.disconnect(reconnect);
    for (const node of this.#nodes) node.disconnect();
    if (isWaiting && !reconnect) endWaiting(this);
  }

  /** How BullMQ makes the connections of its consumers out of ours. */
  override duplicate(startupNodes: readonly ClusterNode[] = [], options: ClusterOptions = {}): TimedCluster {
    return new TimedCluster(startupNodes.length > 0 ? startupNodes : this.#startupNodes, {
      ...this.options,
      ...options,
      redisOptions: { ...this.options.redisOptions, ...options.redisOptions, socketTimeout: SILENCE_OF_CONSUMER_MS },
    });
  }
}
