import { expect } from 'chai';

import { applyCommonParts } from '../../dev/openapi/applyCommonParts.ts';
import type { Document } from '../../dev/openapi/document.ts';

describe('the common parts of the API’s description', () => {
  const part = {
    operationId: 'sendThing',
    'x-permission': 'payments:write',
    'x-idempotency': 'optional',
    'x-error-codes': ['PAY_028'],
    responses: { '202': { description: 'Accepted' } },
  };

  function bundle(path: string, method: string, operation: object): Document {
    return applyCommonParts({
      paths: { [path]: { [method]: operation } },
      components: {
        parameters: {
          ThingId: { name: 'thingId', in: 'path' },
          IdempotencyKey: { name: 'Idempotency-Key', in: 'header' },
        },
        responses: { NotFound: { description: 'There is none' } },
        schemas: { ErrorCode: { type: 'string', 'x-meanings': { PAY_009: 'no such thing' } } },
      },
    });
  }
  const operationOf = (path: string, method: string, operation: object) =>
    bundle(path, method, operation).paths[path]?.[method] as {
      readonly parameters?: readonly object[];
      readonly security?: readonly object[];
      readonly responses: Readonly<Record<string, object>>;
      readonly 'x-error-codes': readonly string[];
    };

  it('are the parameters of the path', () => {
    const { paths } = bundle('/things/{thingId}', 'get', { ...part, 'x-idempotency': 'none' });
    expect(paths['/things/{thingId}']?.['parameters']).to.deep.equal([
      { $ref: '#/components/parameters/ThingId' },
    ]);
    expect(() => bundle('/other/{otherId}', 'get', part)).to.throw('otherId');
  });

  it('are the errors that the kind of operation brings, beside its own', () => {
    const post = operationOf('/things/{thingId}', 'post', part);
    expect(post['x-error-codes']).to.include.members(['PAY_009', 'PAY_013', 'PAY_022', 'PAY_028']);
    expect(Object.keys(post.responses)).to.deep.equal([
      '202',
      '400',
      '401',
      '403',
      '404',
      '409',
      '413',
      '415',
      '422',
      '429',
      '500',
      '503',
    ]);
    const open = { ...part, 'x-permission': 'none', 'x-idempotency': 'none', 'x-error-codes': [] };
    const get = operationOf('/things', 'get', open);
    expect(get.security).to.deep.equal([]);
    expect(Object.keys(get.responses)).to.deep.equal(['202', '400', '500']);
  });

  it('leave a reply of the operation’s own as it is', () => {
    const own = { ...part, responses: { '503': { description: 'Own words' } } };
    expect(operationOf('/things', 'get', own).responses['503']).to.deep.equal({
      description: 'Own words',
    });
  });

  it('are the Idempotency-Key: optional, required, or none', () => {
    const key = { name: 'Idempotency-Key', in: 'header' };
    const parametersWith = (idempotency: string) =>
      operationOf('/things', 'post', { ...part, 'x-idempotency': idempotency }).parameters;
    expect(parametersWith('optional')).to.deep.equal([
      { $ref: '#/components/parameters/IdempotencyKey' },
    ]);
    expect(parametersWith('required')).to.deep.equal([{ ...key, required: true }]);
    expect(parametersWith('none')).to.equal(undefined);
  });

  it('are how an error looks, and the table of codes', () => {
    const { components } = bundle('/things', 'get', part);
    expect(components.responses['NotFound']).to.deep.equal({
      description: 'There is none',
      content: {
        'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
      },
    });
    expect(components.schemas['ErrorCode']).to.deep.equal({
      description:
        '| code | status | meaning |\n|---|---|---|\n| PAY_009 | 404 | no such thing |\n',
      type: 'string',
      enum: ['PAY_009'],
    });
  });

  it('are refused to a part that does not say who may use it, by its name', () => {
    const { 'x-permission': _left, ...silent } = part;
    expect(() => bundle('/things', 'get', silent))
      .to.throw('get /things')
      .and.match(/x-permission/);
    expect(() => bundle('/things', 'get', { ...part, 'x-error-codes': ['PAY_999'] })).to.throw(
      'sendThing: there is no error PAY_999',
    );
  });
});
