import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

import { PUBLIC_OPERATIONS } from '../../api/http/handler.ts';
import { listOperations, readOpenapiDocument } from '../../api/http/openapiDocument.ts';
import { ERROR_KINDS, STATUS_OF_CATEGORY } from '../../api/http/problem.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { answeredCodes } from '../support/answeredCodes.ts';
import { makeSampleRequest } from './sampleRequest.ts';
import { paymentRequest, startTestApi, type Problem, type TestApi } from './startTestApi.ts';

/** What openapi.yaml says of each operation beside OpenAPI's own words, held against the code. */
describe('operations', () => {
  const document = readOpenapiDocument();
  const OPERATIONS = listOperations(document);

  it('that need no key are those whose handlers are given no identity', () => {
    const open = OPERATIONS.filter(({ permission }) => permission === 'none');
    expect(open.map(({ operationId }) => operationId)).to.have.members([...PUBLIC_OPERATIONS]);
  });

  for (const { operationId, path, method, errorCodes } of OPERATIONS) {
    it(`${operationId}: each of its error codes exists, with a reply of its status`, () => {
      const { responses } = document.paths[path]?.[method] as {
        readonly responses: Readonly<Record<string, { readonly $ref?: string }>>;
      };
      const replies = errorCodes.map((code) => {
        const kind = ERROR_KINDS.find((one) => one.code === code);
        if (kind === undefined) throw new Error(`there is no error ${code}`);
        return String(STATUS_OF_CATEGORY[kind.category]);
      });
      const described = Object.keys(responses).filter(
        (status) => responses[status]?.$ref?.startsWith('#/components/responses/') === true,
      );
      expect([...new Set(replies)]).to.have.members(described);
      expect(new Set(errorCodes).size).to.equal(errorCodes.length);
    });
  }

  describe('x-idempotency', () => {
    const ROUTES = join(PROJECT_ROOT, 'api/routes');
    const sources = readdirSync(ROUTES, { recursive: true }).map(String);
    let api: TestApi;
    before(async () => {
      api = await startTestApi();
      const response = await api.call('/payments', {
        json: paymentRequest(api),
        headers: { 'idempotency-key': 'used' },
      });
      expect(response.status).to.equal(201);
    });
    after(() => api.close());

    for (const operation of OPERATIONS) {
      const { operationId, idempotency } = operation;
      const send = async (headers: Record<string, string>) => {
        const { path, ...init } = makeSampleRequest(operation);
        const response = await api.call(path, { ...init, headers });
        const text = await response.text();
        return text === '' ? undefined : (JSON.parse(text) as Partial<Problem>).code;
      };

      if (idempotency === 'none')
        it(`${operationId} does not look at an Idempotency-Key`, async () => {
          expect(await send({ 'idempotency-key': 'used' })).not.to.equal('PAY_013');
        });
      else
        it(`${operationId} refuses an Idempotency-Key that another request has used`, async () => {
          expect(await send({ 'idempotency-key': 'used' })).to.equal('PAY_013');
        });
      it(`${operationId}: its handler uses the key exactly when it takes one`, () => {
        const part = sources.find((file) => file.endsWith(`/${operationId}.ts`));
        const source = readFileSync(join(ROUTES, String(part)), 'utf8');
        expect(/\bclaim\b/.test(source)).to.equal(idempotency !== 'none');
      });
      if (idempotency === 'required')
        it(`${operationId} is refused without an Idempotency-Key`, async () => {
          expect(await send({})).to.equal('PAY_005');
        });
    }

    it('every error code that an operation answers with is recorded, to be held against its list', async () => {
      await api.call('/payments/0x00');
      expect(answeredCodes('getPayment')).to.include('PAY_005');
      const { path, ...init } = makeSampleRequest(
        OPERATIONS.find((one) => one.operationId === 'cancelPayment')!,
      );
      await api.call(path, init);
      expect(answeredCodes('cancelPayment')).to.include('PAY_009');
    });
  });
});
