import {
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout,
} from 'node:net';
import { expect } from 'chai';
import sinon from 'sinon';

import createKnexConfig from '../../knexfile.ts';
import { runProcess } from '../../platform/runProcess.ts';
import { ADDRESS_TIMEOUT_MS } from '../../shared/addressTimeout.ts';

describe('the life of a process', () => {
  const attemptMs = getDefaultAutoSelectFamilyAttemptTimeout();
  const { exitCode } = process;
  beforeEach(() => {
    process.env['MSQPAY_NO_SUCH_SETTING'] = 'x';
  });
  afterEach(() => {
    delete process.env['MSQPAY_NO_SUCH_SETTING'];
    sinon.restore();
    setDefaultAutoSelectFamilyAttemptTimeout(attemptMs);
    process.exitCode = exitCode;
  });

  it('gives each address of a host more than a second, and tells a wrong configuration in words before anything is started', async () => {
    const told = sinon.stub(console, 'error');
    let isStarted = false;
    await runProcess(() => {
      isStarted = true;
      return Promise.resolve({ stop: () => Promise.resolve() });
    });
    expect(getDefaultAutoSelectFamilyAttemptTimeout()).to.equal(ADDRESS_TIMEOUT_MS);
    expect([isStarted, process.exitCode]).to.deep.equal([false, 1]);
    expect(told.args.flat()).to.have.length(1);
    expect(told.args.flat()[0])
      .to.include('MSQPAY_NO_SUCH_SETTING')
      .and.not.match(/^\s+at /m);
  });

  it('gives them as long where knex’s command line connects', async () => {
    const { DATABASE_URL: databaseUrl } = process.env;
    process.env['DATABASE_URL'] = 'mysql://nobody@127.0.0.1:1/none';
    try {
      // It looks at the record of migrations, and nobody is there.
      expect(await createKnexConfig().catch((reason: unknown) => reason)).to.be.an('error');
    } finally {
      if (databaseUrl === undefined) delete process.env['DATABASE_URL'];
      else process.env['DATABASE_URL'] = databaseUrl;
    }
    expect(getDefaultAutoSelectFamilyAttemptTimeout()).to.equal(ADDRESS_TIMEOUT_MS);
  });
});
