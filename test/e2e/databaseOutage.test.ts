import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import {
  prepareOutage,
  requireControl,
  startInstallation,
  type Installation,
  type Outage,
} from './prepareOutage.ts';

/** The database goes away while payments are on their way. */
describe('an outage of the database', function () {
  this.timeout(300_000);

  let installation: Installation;
  let outage: Outage;

  before(async () => {
    installation = await startInstallation();
  });
  after(() => installation.close());
  beforeEach(async () => {
    outage = await prepareOutage(installation);
  });
  afterEach(() => outage.close());

  it('that is the end of its process: everything completes once it is back', async () => {
    const database = requireControl(
      installation.harness.stack.databaseControl,
      'the database',
      'DATABASE_URL',
    );
    const paying = outage.startPaying();
    for (let count = 0; count < 2; count++) {
      await sleep(1_500);
      await database.kill();
      try {
        await sleep(outage.random.between(200, 1_000));
      } finally {
        await database.restart();
      }
    }
    await paying;
    expect(outage.client.answers.get('503'), 'requests that met the outage').to.be.greaterThan(0);
    expect([...outage.client.answers.keys()].sort(), 'it was told as a passing one').to.deep.equal([
      '200',
      '201',
      '202',
      '503',
    ]);
    await outage.expectAllEndedWell();
  });

  it('during which it only hangs: everything completes once it goes on', async () => {
    const database = requireControl(
      installation.harness.stack.databaseControl,
      'the database',
      'DATABASE_URL',
    );
    const paying = outage.startPaying();
    for (let count = 0; count < 2; count++) {
      await sleep(1_000);
      void database.kill('SIGSTOP');
      try {
        await sleep(2_500);
      } finally {
        void database.kill('SIGCONT');
      }
    }
    await paying;
    expect([...outage.client.answers.keys()].sort(), 'no request was refused').to.deep.equal([
      '200',
      '201',
      '202',
    ]);
    await outage.expectAllEndedWell();
  });
});
