import { expect } from 'chai';

import { selectRows } from '../../platform/db.ts';
import { readProblem, startTestApi, type TestApi } from './startTestApi.ts';

describe('webhook endpoints', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  const create = (json: unknown, headers: Record<string, string> = {}) =>
    api.call('/webhook-endpoints', { json, headers });

  describe('createWebhookEndpoint', () => {
    it('shows the secret once: here, and never in the list', async () => {
      const { data, response } = await api.client().POST('/webhook-endpoints', {
        body: { url: 'https://shop.example/hooks', eventTypes: ['payment.completed'] },
      });
      expect(response.status).to.equal(201);
      expect(data?.secret).to.match(/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/);
      expect(data).to.deep.include({
        url: 'https://shop.example/hooks',
        status: 'enabled',
        eventTypes: ['payment.completed'],
        disabledReason: null,
      });

      const list = await (await api.call('/webhook-endpoints')).text();
      expect(list).to.include(data?.id);
      expect(list).not.to.include('secret').and.not.to.include(data?.secret);
    });

    it('sends every type when none is named', async () => {
      expect(await (await create({ url: 'https://shop.example/all' })).json()).to.include({
        eventTypes: null,
      });
    });

    it('takes scheme and host in capitals', async () => {
      expect((await create({ url: 'HTTPS://Shop.Example/Hooks' })).status).to.equal(201);
    });

    it('keeps neither the secret nor the reply that shows it in clear text, and can still replay it', async () => {
      const headers = { 'idempotency-key': 'endpoint-1' };
      const first = (await (
        await create({ url: 'https://shop.example/once' }, headers)
      ).json()) as { secret: string };
      const rows = await selectRows<Record<string, unknown>>(
        api.ctx.db,
        'SELECT e.*, k.* FROM webhook_endpoints e JOIN idempotency_keys k',
      );
      expect(rows.length).to.be.greaterThan(0);
      expect(JSON.stringify(rows)).not.to.include(first.secret);
      const again = await create({ url: 'https://shop.example/once' }, headers);
      expect(await again.json()).to.deep.equal(first);
    });

    const refused: readonly [string, unknown, string][] = [
      ['no URL', {}, 'PAY_005'],
      ['a URL of another scheme', { url: 'ftp://shop.example/' }, 'PAY_005'],
      ['something that is no URL', { url: 'shop.example' }, 'PAY_005'],
      [
        'an unknown event type',
        { url: 'https://shop.example/', eventTypes: ['payment.paid'] },
        'PAY_005',
      ],
      ['an empty list of types', { url: 'https://shop.example/', eventTypes: [] }, 'PAY_005'],
      ['a URL with a password', { url: 'https://user:password@shop.example/' }, 'PAY_031'],
    ];
    for (const [name, json, code] of refused) {
      it(`refuses ${name} with ${code}`, async () => {
        const problem = await readProblem(await create(json));
        expect([problem.status, problem.code]).to.deep.equal([400, code]);
      });
    }

    it('refuses private addresses with PAY_031 unless the server was told to allow them', async () => {
      const strict = await startTestApi({
        env: { MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'false' },
      });
      try {
        for (const url of [
          'http://127.0.0.1/',
          'http://10.0.0.8/',
          'http://[::1]/',
          'http://localhost:3000/',
          'http://169.254.169.254/latest',
        ]) {
          const problem = await readProblem(
            await strict.call('/webhook-endpoints', { json: { url } }),
          );
          expect([url, problem.code]).to.deep.equal([url, 'PAY_031']);
        }
      } finally {
        await strict.close();
      }
    });

    it('refuses one endpoint too many with 409 PAY_032', async () => {
      const store = await api.createTestStore();
      const statuses: number[] = [];
      for (let i = 0; i < 21; i++) {
        const answer = await api.call('/webhook-endpoints', {
          store,
          json: { url: `https://shop.example/${i}` },
        });
        statuses.push(answer.status);
        if (i === 20) expect((await readProblem(answer)).code).to.equal('PAY_032');
        else await answer.text();
      }
      expect(statuses.filter((status) => status === 201)).to.have.length(20);
      expect(statuses.at(-1)).to.equal(409);
    });
  });

  describe('deleteWebhookEndpoint', () => {
    it('answers 204 without a body, and the endpoint is gone', async () => {
      const { data } = await api
        .client()
        .POST('/webhook-endpoints', { body: { url: 'https://shop.example/gone' } });
      const answer = await api.call(`/webhook-endpoints/${data?.id}`, { method: 'DELETE' });
      expect([answer.status, await answer.text()]).to.deep.equal([204, '']);
      expect(await (await api.call('/webhook-endpoints')).text()).not.to.include(data?.id);
      expect(
        (await readProblem(await api.call(`/webhook-endpoints/${data?.id}`, { method: 'DELETE' })))
          .code,
      ).to.equal('PAY_009');
    });

    it('answers 400 for what cannot be an id', async () => {
      expect(
        (await readProblem(await api.call('/webhook-endpoints/1', { method: 'DELETE' }))).code,
      ).to.equal('PAY_005');
    });
  });
});
