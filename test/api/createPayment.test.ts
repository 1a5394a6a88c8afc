import { expect } from 'chai';

import { execute, selectRows } from '../../platform/db.ts';
import {
  paymentRequest,
  readProblem,
  startTestApi,
  type Payment,
  type TestApi,
} from './startTestApi.ts';

describe('createPayment', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  const countPayments = async () =>
    Number(
      (await selectRows<{ n: string }>(api.ctx.db, 'SELECT COUNT(*) AS n FROM payments'))[0]?.n,
    );

  it('answers 201 with the payment that getPayment then shows, through the generated client', async () => {
    const { data, response } = await api.client().POST('/payments', {
      body: {
        orderId: 'order-1001',
        amount: '1500000',
        token: api.tokens.TUSD,
        metadata: { cart: '7' },
        customerEmail: 'kim@example.com',
      },
    });
    expect(response.status).to.equal(201);
    expect(data).to.include({
      orderId: 'order-1001',
      status: 'pending',
      amount: '1500000',
      late: false,
      version: 1,
      confirmations: 0,
    });
    expect(data?.merchant).to.equal(api.store.payoutAddress);
    expect(data?.metadata).to.deep.equal({ cart: '7' });
    expect(data?.checkoutUrl).to.equal(`http://shop.test/checkout/${data?.paymentId}`);
    expect(response.headers.get('location')).to.equal(`/api/v1/payments/${data?.paymentId}`);

    const read = await api
      .client()
      .GET('/payments/{paymentId}', { params: { path: { paymentId: data?.paymentId ?? '' } } });
    expect(read.data).to.deep.include(data);
  });

  it('makes the id that the chain port computes from the terms it shows', async () => {
    const payment = await api.createPayment();
    const chain = api.ctx.chains.get(payment.chainId);
    const { salt, token, amount, merchant, expiresAt } = payment.terms;
    const id = chain?.paymentIdOf({
      salt,
      token,
      amount: BigInt(amount),
      merchant,
      expiresAt: new Date(expiresAt * 1000),
    } as never);
    expect(id).to.equal(payment.paymentId);
  });

  it('gives each of two payments for one orderId an id of its own', async () => {
    const [first, second] = [
      await api.createPayment({ orderId: 'twice' }),
      await api.createPayment({ orderId: 'twice' }),
    ];
    expect(first.paymentId).not.to.equal(second.paymentId);
  });

  it('lets it expire after 900 seconds unless told otherwise', async () => {
    const lifetime = (payment: Payment) =>
      (Date.parse(payment.expiresAt) - Date.parse(payment.createdAt)) / 1000;
    expect(lifetime(await api.createPayment())).to.be.within(899, 901);
    expect(lifetime(await api.createPayment({ expiresInSeconds: 60 }))).to.be.within(59, 61);
  });

  it('takes addresses in lower case and answers with the checksummed form', async () => {
    const payment = await api.createPayment({ token: api.tokens.TUSD.toLowerCase() });
    expect(payment.token).to.equal(api.tokens.TUSD);
  });

  const refused: readonly [string, Record<string, unknown>, number, string, string | null][] = [
    ['a missing orderId', { orderId: undefined }, 400, 'PAY_005', '/body/orderId'],
    ['an empty orderId', { orderId: '' }, 400, 'PAY_005', '/body/orderId'],
    ['an orderId of 256 characters', { orderId: 'x'.repeat(256) }, 400, 'PAY_005', '/body/orderId'],
    ['amount 0', { amount: '0' }, 400, 'PAY_005', '/body/amount'],
    ['a negative amount', { amount: '-1' }, 400, 'PAY_005', '/body/amount'],
    ['a fraction', { amount: '1.5' }, 400, 'PAY_005', '/body/amount'],
    ['a leading zero', { amount: '01' }, 400, 'PAY_005', '/body/amount'],
    ['an exponent', { amount: '1e6' }, 400, 'PAY_005', '/body/amount'],
    ['a hexadecimal amount', { amount: '0x10' }, 400, 'PAY_005', '/body/amount'],
    ['an amount with spaces', { amount: ' 5' }, 400, 'PAY_005', '/body/amount'],
    ['an amount with a line break behind it', { amount: '5\n' }, 400, 'PAY_005', '/body/amount'],
    ['an amount of 66 digits', { amount: '9'.repeat(66) }, 400, 'PAY_005', '/body/amount'],
    ['an amount that is a number', { amount: 5 }, 400, 'PAY_005', '/body/amount'],
    ['a token that is no address', { token: '0x12' }, 400, 'PAY_005', '/body/token'],
    [
      'an expiry below a minute',
      { expiresInSeconds: 59 },
      400,
      'PAY_005',
      '/body/expiresInSeconds',
    ],
    [
      'an expiry beyond a week',
      { expiresInSeconds: 604_801 },
      400,
      'PAY_005',
      '/body/expiresInSeconds',
    ],
    [
      'an expiry given as text',
      { expiresInSeconds: '900' },
      400,
      'PAY_005',
      '/body/expiresInSeconds',
    ],
    [
      'something that is no e-mail address',
      { customerEmail: 'kim' },
      400,
      'PAY_005',
      '/body/customerEmail',
    ],
    [
      'a 21st metadata entry',
      { metadata: Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`k${i}`, 'v'])) },
      400,
      'PAY_005',
      '/body/metadata',
    ],
    ['metadata that is not text', { metadata: { a: 1 } }, 400, 'PAY_005', '/body/metadata/a'],
    ['a member the description does not know', { amuont: '5' }, 400, 'PAY_005', '/body/amuont'],
    [
      'a token that is not on the list',
      { token: '0x00000000000000000000000000000000000000AA' },
      400,
      'PAY_006',
      null,
    ],
    ['a chain that is not configured', { chainId: 424_242 }, 400, 'PAY_007', null],
    [
      'a merchant that is not registered',
      { merchant: '0x00000000000000000000000000000000000000aa' },
      400,
      'PAY_008',
      null,
    ],
  ];
  for (const [name, overrides, status, code, path] of refused) {
    it(`refuses ${name} with ${code} and creates nothing`, async () => {
      const before = await countPayments();
      const problem = await readProblem(
        await api.call('/payments', { json: paymentRequest(api, overrides) }),
      );
      expect([problem.status, problem.code]).to.deep.equal([status, code]);
      if (path !== null) expect(problem.errors?.map((error) => error.path)).to.include(path);
      expect(await countPayments()).to.equal(before);
    });
  }

  it('refuses a mixed-case address whose EIP-55 checksum is wrong', async () => {
    const token = api.tokens.TUSD;
    const at = [...token].findIndex((character, index) => index > 1 && /[a-f]/i.test(character));
    const flipped = token.slice(0, at) + swapCase(token.charAt(at)) + token.slice(at + 1);
    const problem = await readProblem(
      await api.call('/payments', { json: paymentRequest(api, { token: flipped }) }),
    );
    expect(problem.errors).to.deep.equal([
      { path: '/body/token', message: 'has a wrong EIP-55 checksum' },
    ]);
  });

  it('names every finding at once', async () => {
    const problem = await readProblem(
      await api.call('/payments', { json: { orderId: '', amount: 'x', token: 'y' } }),
    );
    expect(problem.errors?.map((error) => error.path).sort()).to.deep.equal([
      '/body/amount',
      '/body/orderId',
      '/body/token',
    ]);
  });

  it('keeps the widest amount that the database can hold to the last digit', async () => {
    const amount = '9'.repeat(65);
    const { paymentId } = await api.createPayment({ amount });
    const { data } = await api
      .client()
      .GET('/payments/{paymentId}', { params: { path: { paymentId } } });
    expect(data?.amount).to.equal(amount);
  });

  it('keeps metadata keys that mean something to JavaScript as plain data', async () => {
    const payment = await api.createPayment({
      metadata: JSON.parse('{"__proto__":"a","constructor":"b"}') as unknown,
    });
    expect(JSON.stringify(payment.metadata)).to.equal('{"__proto__":"a","constructor":"b"}');
  });

  it('shows nothing of the SQL when a statement fails', async () => {
    await execute(api.ctx.db, 'RENAME TABLE payments TO payments_away');
    try {
      const problem = await readProblem(await api.call('/payments', { json: paymentRequest(api) }));
      expect([problem.status, problem.code, problem.detail]).to.deep.equal([
        500,
        'PAY_025',
        undefined,
      ]);
    } finally {
      await execute(api.ctx.db, 'RENAME TABLE payments_away TO payments');
    }
  });
});

function swapCase(character: string): string {
  return character === character.toLowerCase() ? character.toUpperCase() : character.toLowerCase();
}
