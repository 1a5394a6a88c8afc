import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import nock from 'nock';
import sinon from 'sinon';

import {
  API_KEY,
  API_SECRET,
  BASE,
  DATA,
  HASH,
  INPUT,
  SHORT_TIMEOUT_MS,
  TO,
  TOKEN,
  transaction,
  useDefender,
} from './defenderFixture.ts';

describe('send of the Defender relayer', () => {
  const defender = useDefender();

  it('is accepted: the wire request is what Defender documents', async () => {
    defender.allowLogin();
    let body: unknown;
    nock(BASE, { reqheaders: { 'x-api-key': API_KEY, authorization: `Bearer ${TOKEN}` } })
      .post('/relayers/self/txs', (sent: unknown) => {
        body = sent;
        return true;
      })
      .reply(200, transaction());
    expect(await defender.send()).to.deep.equal({
      kind: 'accepted',
      transaction: { providerTransactionId: 'tx-1', hash: HASH.toLowerCase(), state: 'pending' },
    });
    expect(body).to.deep.equal({
      to: TO,
      data: DATA,
      gasLimit: 250_000,
      speed: 'fast',
      validUntil: '2030-01-01T00:00:00.000Z',
    });
  });

  it('is accepted without a hash when the provider has only noted the intent', async () => {
    defender.allowLogin();
    defender.onSend((post) =>
      post.reply(200, transaction({ hash: null, isIntent: true, status: 'pending' })),
    );
    expect(await defender.send()).to.deep.equal({
      kind: 'accepted',
      transaction: { providerTransactionId: 'tx-1', hash: null, state: 'pending' },
    });
  });

  it('logs in once for many calls, also when they start together', async () => {
    defender.allowLogin(1);
    defender.onSend((post) => post.reply(200, transaction()));
    const relayer = defender.createRelayer();
    const outcomes = await Promise.all([
      defender.send(relayer),
      defender.send(relayer),
      defender.send(relayer),
    ]);
    outcomes.push(await defender.send(relayer));
    expect(outcomes.map((outcome) => outcome.kind)).to.deep.equal([
      'accepted',
      'accepted',
      'accepted',
      'accepted',
    ]);
    expect(defender.posts).to.equal(4);
  });

  it('renews an expired token and is accepted', async () => {
    defender.allowLogin();
    nock(BASE).post('/relayers/self/txs').reply(401, { message: 'Unauthorized' });
    nock(BASE)
      .post('/auth/refresh-token', {
        apiKey: API_KEY,
        secretKey: API_SECRET,
        type: 'relay',
        refreshToken: 'refresh',
      })
      .reply(200, { accessToken: 'second-token', refreshToken: 'refresh' });
    nock(BASE, { reqheaders: { authorization: 'Bearer second-token' } })
      .post('/relayers/self/txs')
      .reply(200, transaction());
    expect((await defender.send()).kind).to.equal('accepted');
  });

  it('ends a persistent 401 after two requests, and logs in afresh the next time', async () => {
    defender.allowLogin(2);
    let refreshes = 0;
    nock(BASE)
      .post('/auth/refresh-token')
      .reply(200, () => {
        refreshes += 1;
        return { accessToken: 'another', refreshToken: 'refresh' };
      })
      .persist();
    let status = 401;
    defender.onSend((post) =>
      post.reply(() =>
        status === 401 ? [401, { message: 'Unauthorized' }] : [200, transaction()],
      ),
    );
    const relayer = defender.createRelayer();
    const outcome = await defender.send(relayer);
    expect(outcome).to.include({
      kind: 'refused',
      reason: 'the provider answered 401: Unauthorized',
    });
    await sleep(100);
    expect({ posts: defender.posts, refreshes }).to.deep.equal({ posts: 2, refreshes: 1 });

    status = 200;
    expect((await defender.send(relayer)).kind).to.equal('accepted');
  });

  for (const { status, body, headers, expected } of [
    {
      status: 400,
      body: { message: 'gasLimit is required' },
      expected: { kind: 'rejected', reason: 'the provider answered 400: gasLimit is required' },
    },
    { status: 422, body: {}, expected: { kind: 'rejected' } },
    {
      status: 400,
      body: { message: 'Relayer is paused' },
      expected: { kind: 'refused', retryAfterMs: 30_000 },
    },
    {
      status: 403,
      body: { message: 'Forbidden' },
      expected: { kind: 'refused', retryAfterMs: 30_000 },
    },
    { status: 404, body: 'no such page', expected: { kind: 'refused', retryAfterMs: 30_000 } },
    {
      status: 429,
      body: { message: 'Too Many Requests' },
      headers: { 'Retry-After': '7' },
      expected: { kind: 'refused', retryAfterMs: 7_000 },
    },
    { status: 429, body: {}, expected: { kind: 'refused', retryAfterMs: 2_000 } },
    { status: 408, body: {}, expected: { kind: 'ambiguous' } },
    { status: 409, body: {}, expected: { kind: 'ambiguous' } },
    { status: 500, body: { message: 'Internal server error' }, expected: { kind: 'ambiguous' } },
    { status: 502, body: '<html>Bad Gateway</html>', expected: { kind: 'ambiguous' } },
    { status: 503, body: {}, expected: { kind: 'ambiguous' } },
    { status: 520, body: { message: 'Cloudflare' }, expected: { kind: 'ambiguous' } },
    { status: 200, body: '<html>all is well</html>', expected: { kind: 'ambiguous' } },
    { status: 200, body: { hash: HASH }, expected: { kind: 'ambiguous' } },
    { status: 200, body: '', expected: { kind: 'ambiguous' } },
  ] satisfies {
    status: number;
    body: nock.Body;
    headers?: Record<string, string>;
    expected: object;
  }[]) {
    it(`is ${expected.kind} after ${status} ${JSON.stringify(body)}, and is posted once`, async () => {
      defender.allowLogin();
      defender.onSend((post) => post.reply(status, body, headers));
      expect(await defender.send()).to.include(expected);
      await sleep(20);
      expect(defender.posts).to.equal(1);
    });
  }

  it('does not follow a redirect: the credentials and the transaction go nowhere else', async () => {
    defender.allowLogin();
    defender.onSend((post) => post.reply(307, '', { Location: 'http://elsewhere.test/txs' }));
    let elsewhere = 0;
    nock('http://elsewhere.test')
      .post('/txs')
      .reply(200, () => {
        elsewhere += 1;
        return transaction();
      });
    expect((await defender.send()).kind).to.equal('ambiguous');
    expect(elsewhere).to.equal(0);
  });

  it('repeats the provider’s words without the credentials in them', async () => {
    defender.allowLogin();
    defender.onSend((post) =>
      post.reply(400, { message: `key ${API_KEY} with secret ${API_SECRET} may not` }),
    );
    expect(await defender.send()).to.deep.equal({
      kind: 'rejected',
      reason: 'the provider answered 400: key [redacted] with secret [redacted] may not',
    });
  });

  it('is ambiguous when no answer comes in time, and is posted once', async () => {
    defender.allowLogin();
    defender.onSend((post) => post.delay(60_000).reply(200, transaction()));
    const startedAt = Date.now();
    const outcome = await defender.send(defender.createRelayer({ timeoutMs: SHORT_TIMEOUT_MS }));
    expect(outcome).to.deep.equal({
      kind: 'ambiguous',
      reason: `the provider gave no answer within ${SHORT_TIMEOUT_MS} ms`,
    });
    expect(Date.now() - startedAt, 'the answer would have come after a minute').to.be.below(30_000);
    expect(defender.posts).to.equal(1);
  });

  it('is ambiguous when the connection is reset, and is posted once', async () => {
    defender.allowLogin();
    defender.onSend((post) =>
      post.replyWithError(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })),
    );
    expect((await defender.send()).kind).to.equal('ambiguous');
    expect(defender.posts).to.equal(1);
  });

  it('is refused when the connection cannot be made: then nothing was sent', async () => {
    defender.allowLogin();
    defender.onSend((post) =>
      post.replyWithError(
        Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }),
      ),
    );
    expect((await defender.send()).kind).to.equal('refused');
  });

  it('is rejected when it is too late already, without a request', async () => {
    expect(
      await defender
        .createRelayer()
        .send({ ...INPUT, validUntil: new Date('2020-01-01T00:00:00Z') }),
    ).to.include({
      kind: 'rejected',
    });
  });

  it('is refused without a word of the credentials when the login is refused, and works once the login does', async () => {
    // The SDK waits 7 to 14 seconds between its four tries.
    const realSetTimeout = globalThis.setTimeout;
    sinon
      .stub(globalThis, 'setTimeout')
      .callsFake((run: () => void, ms?: number) => realSetTimeout(run, (ms ?? 0) / 100));
    let logins = 0;
    nock(BASE)
      .post('/auth/login')
      .times(4)
      .reply(401, () => {
        logins += 1;
        return { message: `unknown key ${API_KEY} with ${API_SECRET}` };
      });
    const relayer = defender.createRelayer({ timeoutMs: 60_000 });
    const outcome = await defender.send(relayer);
    expect(outcome).to.include({ kind: 'refused', retryAfterMs: 30_000 });
    expect(outcome).to.have.property('reason').that.contains('the login failed');
    expect(logins).to.equal(4);

    defender.allowLogin();
    defender.onSend((post) => post.reply(200, transaction()));
    expect((await defender.send(relayer)).kind).to.equal('accepted');
  });

  it('sends nothing after it was given up during a slow login, and the next login does not wait for that one', async () => {
    let answerLogin: () => void = () => undefined;
    const isAnswered = new Promise<void>((resolve) => (answerLogin = resolve));
    nock(BASE)
      .post('/auth/login')
      .reply(200, async () => {
        await isAnswered;
        return { accessToken: TOKEN, refreshToken: 'refresh' };
      });
    defender.onSend((post) => post.reply(200, transaction()));
    const relayer = defender.createRelayer({ timeoutMs: SHORT_TIMEOUT_MS });
    const outcome = await defender.send(relayer);
    expect(outcome).to.include({ kind: 'refused', retryAfterMs: 30_000 });
    expect(outcome)
      .to.have.property('reason')
      .that.contains(`the login took longer than ${SHORT_TIMEOUT_MS} ms`);

    defender.allowLogin();
    expect((await defender.send(relayer)).kind).to.equal('accepted');
    answerLogin();
    await sleep(100);
    expect(defender.posts).to.equal(1);
  });
});
