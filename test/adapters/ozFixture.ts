import { expect } from 'chai';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { pino } from 'pino';

import {
  createOzRelayer,
  type OzRelayerOptions,
} from '../../adapters/relayers/ozRelayer/createOzRelayer.ts';
import type { RelayerPort, SendOutcome } from '../../domain/relayers/ports.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import { systemClock } from '../../shared/clock.ts';

/**
 * The OpenZeppelin Relayer's wire contract by a real server that answers as a test says, with a
 * look-out for leaked credentials.
 */

export const API_KEY = 'KeyOfTheOzRelayer1234567890';
export const TO: Address = '0x5FbDB2315678afecb367f032d93F642f64180aa3';
export const FROM: Address = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8';
export const DATA: Hex = '0xABcd0123';
export const HASH = `0x${'Ab'.repeat(32)}`;
/** Longer than any answer takes here, however busy the machine is. */
export const PATIENCE_MS = 10_000;
/** Of a relayer whose provider keeps silent: it has to have read the request by then. */
export const SHORT_TIMEOUT_MS = 500;
export const INPUT = {
  to: TO,
  data: DATA,
  gasLimit: 250_000n,
  validUntil: new Date('2030-01-01T00:00:00Z'),
};

export const transaction = (changes: object = {}): object => ({
  id: 'tx-1',
  hash: HASH,
  status: 'submitted',
  status_reason: null,
  created_at: '2026-01-01T12:00:00.123456+00:00',
  sent_at: null,
  confirmed_at: null,
  gas_price: null,
  gas_limit: 250_000,
  nonce: 7,
  value: '0',
  from: FROM.toLowerCase(),
  to: TO.toLowerCase(),
  relayer_id: 'anvil-main',
  data: DATA.toLowerCase(),
  max_fee_per_gas: '2',
  max_priority_fee_per_gas: '1',
  signature: null,
  speed: 'fast',
  ...changes,
});

/** What has taken the place of a transaction that waited too long. */
export const noop = (changes: object = {}): object =>
  transaction({ to: FROM, data: '0x', ...changes });

export const success = (data: unknown, rest: object = {}): object => ({
  success: true,
  data,
  error: null,
  ...rest,
});

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
  readonly socket: Socket;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  /** A string is sent as it is. */
  readonly body?: unknown;
}

/** `none`: no answer. `hangUp`: the connection is closed instead. */
type Respond = (received: Received, response: ServerResponse) => Answer | 'none' | 'hangUp';

export interface OzFixture {
  readonly received: Received[];
  readonly posts: () => number;
  readonly sockets: ReadonlySet<Socket>;
  url: string;
  /** To every request from now on. */
  onRequest(respond: Respond): void;
  createRelayer(
    changes?: Omit<Partial<OzRelayerOptions>, 'relayer'> & { readonly url?: string },
  ): RelayerPort;
  send(relayer?: RelayerPort): Promise<SendOutcome>;
  stopServer(): Promise<void>;
}

/** To be called in a `describe`. */
export function useOzServer(): OzFixture {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  let server: Server;
  let respond: Respond;
  let logged = '';

  const fixture: OzFixture = {
    received,
    sockets,
    url: '',
    posts: () => received.filter(({ method }) => method === 'POST').length,
    onRequest(next) {
      respond = next;
    },
    createRelayer: ({ url = fixture.url, ...changes } = {}) =>
      createOzRelayer({
        relayer: { id: 'main', url, relayerId: 'anvil-main', apiKey: API_KEY },
        timeoutMs: PATIENCE_MS,
        clock: systemClock,
        log: pino({ level: 'trace' }, { write: (line: string) => void (logged += line) }),
        ...changes,
      }),
    async send(relayer = fixture.createRelayer()) {
      const outcome = await relayer.send(INPUT);
      expect(JSON.stringify(outcome)).not.to.contain(API_KEY);
      return outcome;
    },
    async stopServer() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { method = '', url = '', headers, socket } = request;
    const entry: Received = {
      method,
      url,
      headers,
      body: text === '' ? undefined : JSON.parse(text),
      socket,
    };
    received.push(entry);
    const answer = respond(entry, response);
    if (answer === 'none') return;
    if (answer === 'hangUp') {
      socket.destroy();
      return;
    }
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    response.end(
      typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? null),
    );
  }

  beforeEach(async () => {
    received.length = 0;
    logged = '';
    respond = () => {
      throw new Error('no request was expected');
    };
    server = createServer((request, response) => {
      handle(request, response).catch((error: unknown) =>
        response.destroy(error instanceof Error ? error : undefined),
      );
    });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    fixture.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    if (server.listening) await fixture.stopServer();
    expect(logged).not.to.contain(API_KEY);
  });
  return fixture;
}

export async function rejection(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof AppError)) throw new Error('expected an AppError', { cause: error });
  expect(`${error.stack ?? ''} ${JSON.stringify(error)}`).not.to.contain(API_KEY);
  return error;
}
