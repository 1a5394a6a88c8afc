import { connect, type Socket } from 'node:net';
import { connect as connectByTls } from 'node:tls';
import { AbstractConnector, type RedisOptions } from 'ioredis';

import type { AddressOptions } from './createAddressLimits.ts';

/**
 * How a connection to one server is opened: as ioredis's own connector does it, which takes no word
 * on how long each address of a host is tried.
 * @param optionsFor see createAddressLimits
 */
export function createRedisConnector(
  optionsFor: (host: string) => AddressOptions,
): NonNullable<RedisOptions['Connector']> {
  return class extends AbstractConnector {
    readonly #options: RedisOptions;

    constructor(options: unknown) {
      // ioredis hands over its own.
      const given = options as RedisOptions & { readonly disconnectTimeout: number };
      super(given.disconnectTimeout);
      this.#options = given;
    }

    override connect(): Promise<Socket> {
      const { host = 'localhost', port = 6379, tls } = this.#options;
      this.connecting = true;
      return new Promise((resolve, reject) => {
        // In a later turn: it may be ended before.
        process.nextTick(() => {
          if (!this.connecting) {
            reject(new Error('Connection is closed.'));
            return;
          }
          const target = { host, port, ...optionsFor(host) };
          let stream: Socket;
          try {
            stream = tls === undefined ? connect(target) : connectByTls({ ...target, ...tls });
          } catch (error) {
            // A port that cannot be one, as a node of a cluster may name it.
            reject(error instanceof Error ? error : new Error(String(error)));
            return;
          }
          stream.once('error', (error: Error) => {
            this.firstError = error;
          });
          this.stream = stream;
          resolve(stream);
        });
      });
    }
  };
}
