import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/**
 * @returns what is sent back, in Redis's protocol; undefined: what every server answers to the
 *   questions of a client that connects, and OK to all others
 */
export type AnswerOfRedis = (
  words: readonly string[],
  connection: FakeConnection,
) => string | Promise<string> | undefined;

export interface FakeConnection {
  /** From 1, in the order in which they were made. */
  readonly number: number;
  readonly socket: Socket;
}

/** A Redis as far as its clients ask, that answers as the test wants. */
export interface FakeRedis {
  readonly url: string;
  /** How many connections were made so far. */
  connections(): number;
  close(): Promise<void>;
}

/** @param tls with it, it speaks nothing else */
export async function startFakeRedis(answer: AnswerOfRedis, tls?: TlsOptions): Promise<FakeRedis> {
  const sockets: Socket[] = [];
  const serve = (socket: Socket) => {
    sockets.push(socket);
    const connection = { number: sockets.length, socket };
    let received = '';
    let answered = Promise.resolve();
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('data', (chunk: string) => {
      received += chunk;
      for (
        let command = readCommand(received);
        command !== undefined;
        command = readCommand(received)
      ) {
        const { words, length } = command;
        received = received.slice(length);
        // In the order of the questions.
        answered = answered.then(async () => {
          const reply = (await answer(words, connection)) ?? usualAnswer(words);
          if (!socket.destroyed) socket.write(reply);
        });
      }
    });
  };
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `redis${tls === undefined ? '' : 's'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => sockets.length,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What Redis tells of itself. */
export function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

function usualAnswer([name = '']: readonly string[]): string {
  return name.toLowerCase() === 'info'
    ? bulk('redis_version:7.2.4\r\nmaxmemory_policy:noeviction\r\nloading:0\r\n')
    : '+OK\r\n';
}

/**
 * The first command of what was received (RESP arrays of bulk strings), once it is there as a
 * whole.
 */
function readCommand(
  text: string,
): { readonly words: readonly string[]; readonly length: number } | undefined {
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
