import { expect } from 'chai';
import { pino } from 'pino';

import { authenticate } from '../../api/http/middleware/authenticate.ts';
import type { Request, Response } from '../../api/http/request.ts';
import { listOperations, readOpenapiDocument } from '../../api/http/openapiDocument.ts';
import { startServer } from '../../api/http/startServer.ts';
import { API_KEY_ROLES, PERMISSIONS_OF_ROLE, type ApiKeyRole } from '../../domain/stores/model.ts';
import { issueApiKey, revokeApiKey } from '../../domain/stores/service.ts';
import { AppError } from '../../shared/errors.ts';
import { makeSampleRequest } from './sampleRequest.ts';
import { readProblem, startTestApi, type TestApi } from './startTestApi.ts';

describe('authentication', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  const ask = (apiKey: string | null) =>
    api.call('/tokens', { store: null, headers: apiKey === null ? {} : { 'x-api-key': apiKey } });

  describe('every operation', () => {
    let revokedKey: string;
    const keyOf = new Map<ApiKeyRole, string>();
    /** Addresses of its own for each operation: a hundred wrong keys of one are too many. */
    let behindProxy: TestApi;
    before(async () => {
      behindProxy = await startTestApi({ env: { MSQPAY_TRUSTED_PROXIES: '1' } });
      const { storeId } = behindProxy.store;
      const issue = (role: ApiKeyRole) =>
        issueApiKey(behindProxy.ctx, { storeId, role, environment: 'test' });
      const revoked = await issue('super_admin');
      await revokeApiKey(behindProxy.ctx, { apiKeyId: revoked.id });
      revokedKey = revoked.key;
      for (const role of API_KEY_ROLES) keyOf.set(role, (await issue(role)).key);
    });
    after(() => behindProxy.close());

    const OPERATIONS = listOperations(readOpenapiDocument());
    OPERATIONS.forEach((operation, place) => {
      const { operationId, permission } = operation;
      const send = (apiKey: string | undefined) => {
        const { path, ...init } = makeSampleRequest(operation);
        const headers = {
          'x-forwarded-for': `203.0.113.${place}`,
          ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }),
        };
        return behindProxy.call(path, { ...init, headers, store: null });
      };

      if (permission === 'none') {
        it(`${operationId} needs no key`, async () => {
          expect((await send(undefined)).status).to.equal(200);
        });
        return;
      }

      for (const [name, apiKey] of [
        ['no key', () => undefined],
        ['a wrong key', () => `sk_test_${'A'.repeat(32)}`],
        ['a revoked key', () => revokedKey],
      ] as const) {
        it(`${operationId} is refused with ${name}`, async () => {
          const response = await send(apiKey());
          expect(response.headers.get('www-authenticate')).to.match(/^ApiKey /);
          const problem = await readProblem(response);
          expect([problem.status, problem.code]).to.deep.equal([401, 'PAY_010']);
        });
      }

      for (const role of API_KEY_ROLES) {
        if (PERMISSIONS_OF_ROLE[role].includes(permission))
          it(`${operationId} is open to a key of the role ${role}`, async () => {
            expect((await send(keyOf.get(role))).status).not.to.be.oneOf([401, 403, 429, 500]);
          });
        else
          it(`${operationId} is refused with a key of the role ${role}`, async () => {
            const problem = await readProblem(await send(keyOf.get(role)));
            expect([problem.status, problem.code]).to.deep.equal([403, 'PAY_011']);
          });
      }
    });

    it('a role that only looks is refused whatever changes something', () => {
      const changing = OPERATIONS.filter(({ method }) => method !== 'get');
      expect(changing).not.to.deep.equal([]);
      for (const { operationId, permission } of changing)
        expect(PERMISSIONS_OF_ROLE.support, operationId).not.to.include(permission);
      for (const { operationId, permission, method } of OPERATIONS)
        if (method === 'get' && permission !== 'none')
          expect(PERMISSIONS_OF_ROLE.support, operationId).to.include(permission);
    });
  });

  for (const [name, key] of [
    ['an unknown key', `sk_test_${'A'.repeat(32)}`],
    ['a malformed key', 'letmein'],
    ['an empty key', ''],
    ['SQL', "' OR 1=1 --"],
  ] as const) {
    it(`refuses ${name} and does not repeat it`, async () => {
      const response = await ask(key);
      const text = await response.clone().text();
      expect((await readProblem(response)).code).to.equal('PAY_010');
      if (key !== '') expect(text).not.to.include(key);
    });
  }

  it('refuses a valid key in another letter case', async () => {
    expect(
      (await ask(api.store.apiKey.toUpperCase().replace('SK_TEST_', 'sk_test_'))).status,
    ).to.equal(401);
  });

  it('refuses a key in the query or as a bearer token', async () => {
    expect(
      (await api.call(`/tokens?x-api-key=${api.store.apiKey}`, { store: null })).status,
    ).to.equal(401);
    expect(
      (
        await api.call('/tokens', {
          store: null,
          headers: { authorization: `Bearer ${api.store.apiKey}` },
        })
      ).status,
    ).to.equal(401);
  });

  it('refuses a revoked key at once in the process that revoked it', async () => {
    const { id, key } = await issueApiKey(api.ctx, {
      storeId: api.store.storeId,
      role: 'store',
      environment: 'live',
    });
    expect((await ask(key)).status).to.equal(200);
    await revokeApiKey(api.ctx, { apiKeyId: id });
    expect((await ask(key)).status).to.equal(401);
  });

  it('admits a key of each role to store operations', async () => {
    for (const role of ['store', 'support', 'admin', 'super_admin'] as const) {
      const { key } = await issueApiKey(api.ctx, {
        storeId: api.store.storeId,
        role,
        environment: 'test',
      });
      expect([role, (await ask(key)).status]).to.deep.equal([role, 200]);
    }
  });

  it('answers PAY_011 to a role that is not on the list', async () => {
    const failures = { count: () => Promise.resolve() };
    const middleware = authenticate(api.ctx, { roles: ['admin'], failures });
    const req = { headers: { 'x-api-key': api.store.apiKey } } as unknown as Request;
    const error = await Promise.resolve()
      .then(() => middleware(req, {} as Response, () => undefined))
      .catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(AppError).and.to.include({ code: 'PAY_011' });
    expect(req.identity).to.equal(undefined);
  });

  describe('from an address that has sent a hundred wrong keys', () => {
    let guessed: TestApi;
    before(async () => {
      guessed = await startTestApi({ env: { MSQPAY_TRUSTED_PROXIES: '1' } });
    });
    after(() => guessed.close());

    const from = (address: string, apiKey: string) =>
      guessed.call('/tokens', {
        store: null,
        headers: { 'x-api-key': apiKey, 'x-forwarded-for': address },
      });
    const madeUp = (i: number) => `sk_test_${String(i).padStart(32, '0')}`;

    it('further wrong ones are refused with 429, and no valid one is', async () => {
      const statuses: number[] = [];
      for (let i = 0; i < 105; i++) statuses.push((await from('203.0.113.9', madeUp(i))).status);
      expect(statuses.slice(0, 100)).to.deep.equal(Array<number>(100).fill(401));
      expect(statuses.slice(100)).to.deep.equal(Array<number>(5).fill(429));

      const refused = await from('203.0.113.9', `sk_test_${'z'.repeat(32)}`);
      expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 60);
      expect((await readProblem(refused)).code).to.equal('PAY_012');

      const { key: fresh } = await issueApiKey(guessed.ctx, {
        storeId: guessed.store.storeId,
        role: 'store',
        environment: 'test',
      });
      expect((await from('203.0.113.9', fresh)).status, 'a key that was never used').to.equal(200);
      expect((await from('203.0.113.10', madeUp(999))).status, 'another address').to.equal(401);
    });

    it('a port behind the address, or brackets around it, make no other address of it', async () => {
      const spell = (i: number) =>
        i % 2 === 0 ? `203.0.113.11:${10_000 + i}` : `[::ffff:203.0.113.11]:${10_000 + i}`;
      const statuses: number[] = [];
      for (let i = 0; i < 102; i++) statuses.push((await from(spell(i), madeUp(i))).status);
      expect(statuses.slice(100)).to.deep.equal([429, 429]);
      const invented: number[] = [];
      for (let i = 0; i < 102; i++) invented.push((await from(`made-up-${i}`, madeUp(i))).status);
      expect(invented.slice(100), 'what is no address counts as the proxy’s').to.deep.equal([
        429, 429,
      ]);
    });
  });

  it('tells the operator once when a proxy is in front that is not trusted', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const server = await startServer({ ...api.ctx, log }, [], { idleMs: 10 });
    try {
      await api.call(`${server.url}/api/v1/tokens`);
      expect(lines).to.have.length(0);
      for (let i = 0; i < 2; i++)
        await api.call(`${server.url}/api/v1/tokens`, {
          headers: { 'x-forwarded-for': '203.0.113.9' },
        });
      expect(lines).to.have.length(1);
      expect(lines[0]).to.include('MSQPAY_TRUSTED_PROXIES').and.not.include('203.0.113.9');
    } finally {
      await server.stop();
    }
  });
});
