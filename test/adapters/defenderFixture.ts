import { expect } from 'chai';
import nock from 'nock';
import { pino } from 'pino';
import sinon from 'sinon';

import {
  createDefenderRelayer,
  type DefenderRelayerOptions,
} from '../../adapters/relayers/defender/createDefenderRelayer.ts';
import type { RelayerPort, SendOutcome } from '../../domain/relayers/ports.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import { systemClock } from '../../shared/clock.ts';

/**
 * Defender's wire contract by nock, with every POST of a transaction counted, and a look-out for
 * leaked credentials.
 */

export const BASE = 'http://defender.test';
export const API_KEY = 'KeyOfTheRelayer1234567890';
export const API_SECRET = 'SecretOfTheRelayer0987654321';
export const TOKEN = 'first-token';
export const TO: Address = '0x5FbDB2315678afecb367f032d93F642f64180aa3';
export const DATA: Hex = '0xABcd0123';
export const HASH = `0x${'Ab'.repeat(32)}`;
/** Longer than any answer takes here, however busy the machine is. */
const PATIENCE_MS = 10_000;
/**
 * Of a relayer whose provider keeps silent: what comes before the silence has to be over by then.
 */
export const SHORT_TIMEOUT_MS = 1_000;
export const INPUT = {
  to: TO,
  data: DATA,
  gasLimit: 250_000n,
  validUntil: new Date('2030-01-01T00:00:00Z'),
};

export const transaction = (changes: object = {}): object => ({
  transactionId: 'tx-1',
  hash: HASH,
  to: TO.toLowerCase(),
  from: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  data: DATA.toLowerCase(),
  value: '0x0',
  speed: 'fast',
  gasLimit: 250_000,
  nonce: 7,
  status: 'sent',
  chainId: 31337,
  validUntil: '2030-01-01T00:00:00.000Z',
  createdAt: '2026-01-01T00:00:00.000Z',
  maxFeePerGas: 2,
  maxPriorityFeePerGas: 1,
  ...changes,
});

export interface DefenderFixture {
  /** How many transactions were posted, the unexpected ones too. */
  posts: number;
  createRelayer(changes?: Partial<DefenderRelayerOptions>): RelayerPort;
  send(relayer?: RelayerPort): Promise<SendOutcome>;
  allowLogin(times?: number): void;
  onSend(reply: (post: nock.Interceptor) => nock.Scope): void;
}

// Importing it switches it on, for every other test in the process too.
nock.restore();

/**
 * To be called in a `describe`.
 * @param network `real`: the test brings its own server
 */
export function useDefender(network: 'nock' | 'real' = 'nock'): DefenderFixture {
  let logged = '';
  let earlierUrl: string | undefined;

  before(() => {
    earlierUrl = process.env['DEFENDER_API_URL'];
    if (network === 'real') return;
    nock.activate();
    nock.disableNetConnect();
  });
  beforeEach(() => {
    process.env['DEFENDER_API_URL'] = BASE;
    logged = '';
    fixture.posts = 0;
  });
  afterEach(() => {
    sinon.restore();
    if (network === 'nock') {
      nock.abortPendingRequests();
      nock.cleanAll();
    }
    expectNoSecrets(logged);
  });
  after(() => {
    if (network === 'nock') {
      nock.enableNetConnect();
      nock.restore();
    }
    if (earlierUrl === undefined) delete process.env['DEFENDER_API_URL'];
    else process.env['DEFENDER_API_URL'] = earlierUrl;
  });

  const fixture: DefenderFixture = {
    posts: 0,
    createRelayer: (changes = {}) =>
      createDefenderRelayer({
        relayer: { id: 'main', apiKey: API_KEY, apiSecret: API_SECRET },
        timeoutMs: PATIENCE_MS,
        clock: systemClock,
        log: pino({ level: 'trace' }, { write: (line: string) => void (logged += line) }),
        ...changes,
      }),
    async send(relayer = fixture.createRelayer()) {
      const outcome = await relayer.send(INPUT);
      expectNoSecrets(JSON.stringify(outcome));
      return outcome;
    },
    allowLogin(times = 1) {
      nock(BASE)
        .post('/auth/login', { apiKey: API_KEY, secretKey: API_SECRET, type: 'relay' })
        .times(times)
        .reply(200, { accessToken: TOKEN, refreshToken: 'refresh' });
    },
    onSend(reply) {
      const countPost = (): boolean => {
        fixture.posts += 1;
        return true;
      };
      reply(nock(BASE).post('/relayers/self/txs', countPost)).persist();
    },
  };
  return fixture;
}

export async function rejection(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof AppError)) throw new Error('expected an AppError', { cause: error });
  expectNoSecrets(`${error.stack ?? ''} ${JSON.stringify(error)}`);
  return error;
}

function expectNoSecrets(text: string): void {
  expect(text).not.to.contain(API_KEY);
  expect(text).not.to.contain(API_SECRET);
}
