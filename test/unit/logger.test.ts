import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';

import { redactSecrets } from '../../platform/logger.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { LOADER_ARGUMENTS, modulePath } from '../support/programArguments.ts';

/**
 * What a process that logs `script`'s values writes: the logger writes to the process's own output.
 */
function logIn(script: string): string {
  const urlOf = (path: string) => JSON.stringify(pathToFileURL(modulePath(path)).href);
  const source = `
    import { createLogger } from ${urlOf('platform/logger.ts')};
    import { AppError, COMMON_ERRORS } from ${urlOf('shared/errors.ts')};
    const log = createLogger({ log: { level: 'trace', pretty: false } }, 'test');
    ${script}
  `;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...LOADER_ARGUMENTS, '--input-type=module', '--eval', source],
    {
      cwd: PROJECT_ROOT,
      encoding: 'utf8',
      timeout: 20_000,
    },
  );
  if (status !== 0) throw new Error(`the logging process failed: ${stderr}`);
  return stdout;
}

const SECRETS = [
  'sk_test_AAAAhunter2AAAA',
  'sk_live_AAAAhunter2AAAA',
  'whsec_aHVudGVyMgAAhunter2',
  'mysql://root:hunter2@db/msqpay',
  'redis://:hunter2@cache:6379/0',
  'redis://:a@hunter2@cache:6379/0',
  'rediss+sentinel://:hunter2@one:1,two:2/0?name=m&sentinel-password=hunter2&sentinel-user=s',
  'https://key:hunter2@rpc.example/v1',
  'Bearer hunter2.hunter2-_~+/=',
  'bearer hunter2',
  '{"apiKey":"hunter2","secretKey":"hunter2"}',
  '{"apiSecret": "hunter2", "accessToken": "hunter2"}',
  'apiKey=hunter2',
  'refreshToken: hunter2',
  'x-api-key: hunter2',
];

describe('what is logged', () => {
  for (const text of SECRETS) {
    it(`has no secret from a text such as ${JSON.stringify(text.replaceAll('hunter2', '…'))}`, () => {
      expect(redactSecrets(`before ${text} after`)).to.not.contain('hunter2');
      expect(redactSecrets(`before ${text} after`)).to.match(/^before .* after$/);
    });
  }

  it('keeps what is no secret', () => {
    const text =
      'GET http://host:3000/api/v1/payments?status=pending 200 at 12:30, user@example.com';
    expect(redactSecrets(text)).to.equal(text);
  });

  it('has no secret of an object, at any of the depths at which we log, nor of its headers', function () {
    this.timeout(30_000);
    const names = [
      'apiKey',
      'apiSecret',
      'secretKey',
      'secret',
      'password',
      'authorization',
      'signature',
      'customerEmail',
      'privateKey',
      'accessToken',
      'refreshToken',
      'databaseUrl',
      'redisUrl',
    ];
    const headers = ['x-api-key', 'authorization', 'cookie', 'webhook-signature'];
    const output = logIn(`
      for (const name of ${JSON.stringify(names)}) {
        log.info({ [name]: 'hunter2' });
        log.info({ a: { [name]: 'hunter2' } });
        log.info({ a: { b: { [name]: 'hunter2' } } });
        log.info({ a: { b: { c: { [name]: 'hunter2' } } } });
        log.child({ [name]: 'hunter2' }).info('a child');
      }
      for (const name of ${JSON.stringify(headers)}) {
        log.info({ headers: { [name]: 'hunter2' } });
        log.info({ req: { headers: { [name]: 'hunter2' } } });
        log.info({ a: { req: { headers: { [name]: 'hunter2' } } } });
      }
    `);
    expect(output).not.to.contain('hunter2');
    expect(output.trim().split('\n')).to.have.length(names.length * 5 + headers.length * 3);
  });

  it('has no secret of an error: its message, its stack, its causes, what libraries hang on it', function () {
    this.timeout(30_000);
    const output = logIn(`
      for (const text of ${JSON.stringify(SECRETS)}) {
        log.error({ err: new Error(text) }, 'failed');
        log.error({ err: new Error('outer', { cause: new Error(text, { cause: new Error(text) }) }) }, 'failed');
        log.error({ err: Object.assign(new Error('failed'), { config: { headers: { a: text } }, request: text, response: { data: text } }) }, 'failed');
        log.error({ err: new AppError(COMMON_ERRORS.internal, { internal: { reason: text, nested: { text } } }) }, 'failed');
        log.error({ err: text }, 'a text was thrown');
      }
      log.error({ err: new AppError(COMMON_ERRORS.internal, { internal: { apiKey: 'hunter2', request: { password: 'hunter2' } } }) }, 'failed');
    `);
    expect(output).not.to.contain('hunter2');
    expect(output.trim().split('\n')).to.have.length(SECRETS.length * 5 + 1);
  });

  it('still says what happened', function () {
    this.timeout(30_000);
    const line = logIn(
      `log.error({ err: Object.assign(new TypeError('no such host'), { code: 'ENOTFOUND', errno: -3008 }) }, 'failed');`,
    );
    const { err } = JSON.parse(line) as { err: Record<string, unknown> };
    expect(err).to.include({
      type: 'TypeError',
      message: 'no such host',
      code: 'ENOTFOUND',
      errno: -3008,
    });
    expect(err['stack']).to.contain('no such host');
  });
});
