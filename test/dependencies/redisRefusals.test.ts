import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { expect } from 'chai';

import { createRedis, type RedisConnection, type RedisConnectionKind } from '../../platform/redis.ts';

/** What Redis says when it is there and does not work for us, in its own words. */
const REFUSALS = {
  READONLY: "READONLY You can't write against a read only replica.",
  LOADING: 'LOADING Redis is loading the dataset in memory',
  MASTERDOWN: "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
};

/** A server as far as the client asks: its first connection is to one that refuses, the address leads to another one then. */
describe('a Redis that refuses', () => {
  let server: Server;
  let url: string;
  let refusal: string;
  let sockets: Socket[];
  let redis: RedisConnection | undefined;

  beforeEach(async () => {
    sockets = [];
    server = createServer((socket) => {
      sockets.push(socket);
      const isFirst = sockets.length === 1;
      let received = '';
      socket.setEncoding('latin1');
      socket.on('error', () => undefined);
      socket.on('data', (chunk: string) => {
        received += chunk;
        for (let command = readCommand(received); command !== undefined; command = readCommand(received)) {
          received = received.slice(command.length);
          socket.write(answerTo(command.words, isFirst ? `-${refusal}\r\n` : '+OK\r\n'));
        }
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    redis?.disconnect();
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  async function connect(kind: RedisConnectionKind): Promise<RedisConnection> {
    redis = createRedis(url, kind);
    redis.on('error', () => undefined);
    await once(redis, 'ready');
    return redis;
  }

  for (const kind of ['command', 'worker'] as const) {
    for (const [name, words] of Object.entries(REFUSALS)) {
      it(`with ${name} is left for a new connection (${kind})`, async () => {
        refusal = words;
        const connected = await connect(kind);
        const set = () => connected.set('key', 'value');
        if (kind === 'command') {
          // A caller that can go on without Redis is told at once; the next one finds the other server.
          const ready = once(connected, 'ready');
          expect(await set().catch(() => 'failed')).to.equal('failed');
          await ready;
        }
        expect(await set()).to.equal('OK');
        expect(sockets).to.have.length(2);
      });
    }

    it(`with anything else is told so, and stays (${kind})`, async () => {
      refusal = 'WRONGTYPE Operation against a key holding the wrong kind of value';
      const connected = await connect(kind);
      const failure = await connected.set('key', 'value').then(
        () => 'nothing',
        (error: Error) => error.message,
      );
      expect(failure).to.equal(refusal);
      expect(sockets).to.have.length(1);
    });
  }
});

/** The first command of what was received (RESP arrays of bulk strings), once it is there as a whole. */
function readCommand(text: string): { readonly words: readonly string[]; readonly length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return undefined;
  let at = head[0].length;
  const words: string[] = [];
  for (let left = Number(head[1]); left > 0; left--) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (size === null) return undefined;
    const start = at + size[0].length;
    at = start + Number(size[1]) + 2;
    if (text.length < at) return undefined;
    words.push(text.slice(start, at - 2));
  }
  return { words, length: at };
}

function answerTo([name = '']: readonly string[], toOthers: string): string {
  // What the client asks by itself when it connects.
  switch (name.toLowerCase()) {
    case 'info':
      return '$11\r\nloading:0\r\n\r\n';
    case 'client':
    case 'select':
      return '+OK\r\n';
    default:
      return toOthers;
  }
}
