import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

import { ERROR_KINDS, STATUS_OF_CATEGORY, toProblemReply } from '../../api/http/problem.ts';
import { readOpenapiDocument } from '../../api/http/openapiDocument.ts';
import { PAYMENT_ERRORS } from '../../domain/payments/errors.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';

interface ErrorCodeSchema {
  readonly description: string;
  readonly enum: readonly string[];
}

/** Clients know these. A new code is not among them, and none here ever changes. */
const STATUS_OF_FIRST_CODES: Readonly<Record<string, number>> = {
  PAY_001: 422,
  PAY_002: 422,
  PAY_003: 409,
  PAY_004: 409,
  PAY_005: 400,
  PAY_006: 400,
  PAY_007: 400,
  PAY_008: 400,
  PAY_009: 404,
  PAY_010: 401,
  PAY_011: 403,
  PAY_012: 429,
  PAY_013: 422,
  PAY_014: 409,
  PAY_015: 422,
  PAY_016: 409,
  PAY_017: 409,
  PAY_018: 422,
  PAY_019: 422,
  PAY_020: 503,
  PAY_021: 503,
  PAY_022: 413,
  PAY_023: 405,
  PAY_024: 415,
  PAY_025: 500,
  PAY_026: 503,
  PAY_027: 422,
  PAY_028: 409,
  PAY_029: 409,
  PAY_030: 409,
  PAY_031: 400,
  PAY_032: 409,
  PAY_033: 429,
  PAY_034: 429,
  PAY_035: 422,
  PAY_036: 409,
  PAY_037: 409,
  PAY_041: 429,
  PAY_042: 409,
  PAY_043: 422,
  PAY_050: 503,
  PAY_051: 408,
  PAY_052: 431,
  PAY_053: 503,
};

describe('error codes', () => {
  const { components } = readOpenapiDocument() as unknown as {
    components: {
      schemas: { ErrorCode: ErrorCodeSchema };
      responses: Record<string, { description: string } | undefined>;
    };
  };
  const documented = components.schemas.ErrorCode;
  const statusOfCode = Object.fromEntries(
    ERROR_KINDS.map(({ code, category }) => [code, STATUS_OF_CATEGORY[category]]),
  );
  const rows = [...documented.description.matchAll(/^\| ([A-Z]+_\d{3}) \| (\d{3}) \|/gm)].map(
    ([, code, status]) => [code, Number(status)] as const,
  );

  it('every kind of error has a code of its own', () => {
    const codes = ERROR_KINDS.map((kind) => kind.code);
    expect(new Set(codes).size).to.equal(codes.length);
  });

  it('every kind of error is in openapi.yaml, and every code there belongs to a kind', () => {
    expect([...documented.enum].sort()).to.deep.equal(ERROR_KINDS.map((kind) => kind.code).sort());
  });

  it('the table in openapi.yaml names every code with the status it is answered with', () => {
    expect(Object.fromEntries(rows)).to.deep.equal(statusOfCode);
  });

  it('a code of the first series has the status that it has always had', () => {
    const first = Object.entries(statusOfCode).filter(([code]) => code.startsWith('PAY_'));
    expect(Object.fromEntries(first)).to.deep.equal(STATUS_OF_FIRST_CODES);
  });

  /** Of what became of an attempt: in its `error` and in events, never the answer to a request. */
  const ONLY_OF_ATTEMPTS = ['PAY_029', 'PAY_030'];
  const SHARED = {
    BadRequest: 400,
    Conflict: 409,
    Unprocessable: 422,
    RateLimited: 429,
    Unavailable: 503,
  };
  for (const [name, status] of Object.entries(SHARED)) {
    it(`the description of the reply ${name} names every code that is answered with ${status}`, () => {
      const named = components.responses[name]?.description.match(/[A-Z]+_\d{3}/g) ?? [];
      const codes = Object.entries(statusOfCode).flatMap(([code, of]) =>
        of === status && !ONLY_OF_ATTEMPTS.includes(code) ? [code] : [],
      );
      expect(named).to.have.members(codes);
    });
  }

  it('no module declares a code that the edge does not know', () => {
    const declared = ['chain', 'idempotency', 'payments', 'refunds', 'relay', 'stores', 'webhooks']
      .map((area) => readFileSync(join(PROJECT_ROOT, 'domain', area, 'errors.ts'), 'utf8'))
      .flatMap((text) => [...text.matchAll(/'([A-Z]+_\d{3})'/g)].map((match) => match[1]));
    expect(ERROR_KINDS.map((kind) => kind.code)).to.include.members(declared);
  });
});

describe('toProblemReply', () => {
  it('tells what was thrown on purpose, without its internal part', () => {
    const error = new AppError(PAYMENT_ERRORS.stateConflict, {
      detail: 'The payment is expired.',
      internal: { secret: 'hidden' },
      cause: new Error('hidden'),
    });
    const reply = toProblemReply(error, 'req_1');
    expect(reply.status).to.equal(409);
    expect(reply.body).to.deep.equal({
      type: 'urn:msqpay:error:PAY_004',
      title: PAYMENT_ERRORS.stateConflict.title,
      status: 409,
      code: 'PAY_004',
      detail: 'The payment is expired.',
      requestId: 'req_1',
    });
  });

  it('says nothing of an unexpected error but that there was one', () => {
    const reply = toProblemReply(new Error('password=hunter2 at 10.0.0.1'), 'req_1');
    expect(reply.body).to.deep.equal({
      type: 'urn:msqpay:error:PAY_025',
      title: COMMON_ERRORS.internal.title,
      status: 500,
      code: 'PAY_025',
      requestId: 'req_1',
    });
  });

  it('says nothing of a thrown value that is no error', () => {
    expect(toProblemReply('sk_live_secret', 'req_1').body.code).to.equal('PAY_025');
    expect(JSON.stringify(toProblemReply('sk_live_secret', 'req_1'))).not.to.include('secret');
  });

  const lostConnections: readonly [string, Error][] = [
    [
      'closed by the server',
      Object.assign(new Error('Connection lost'), {
        code: 'PROTOCOL_CONNECTION_LOST',
        fatal: true,
      }),
    ],
    ['refused', Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })],
    [
      'closing',
      Object.assign(new Error("Can't add new command when connection is in closed state"), {
        fatal: true,
      }),
    ],
    [
      'server shutting down',
      Object.assign(new Error('shutdown'), {
        code: 'ER_SERVER_SHUTDOWN',
        errno: 1053,
        sqlState: '08S01',
      }),
    ],
    [
      'none left in the pool',
      Object.assign(new Error('Timeout acquiring a connection'), { name: 'KnexTimeoutError' }),
    ],
    [
      'lost, told by way of another error',
      new Error('work failed', { cause: Object.assign(new Error('gone'), { code: 'ECONNRESET' }) }),
    ],
  ];
  for (const [name, error] of lostConnections) {
    it(`a lost database connection (${name}) is 503 with Retry-After`, () => {
      const reply = toProblemReply(error, 'req_1');
      expect([reply.status, reply.body.code]).to.deep.equal([503, 'PAY_026']);
      expect(Number(reply.headers['Retry-After'])).to.be.greaterThan(0);
      expect(JSON.stringify(reply.body)).not.to.include(error.message);
    });
  }

  it('a mistake in our SQL is a 500, not an absent database', () => {
    const error = Object.assign(new Error('syntax'), {
      code: 'ER_PARSE_ERROR',
      errno: 1064,
      sqlState: '42000',
    });
    expect(toProblemReply(error, 'req_1').status).to.equal(500);
  });
});
