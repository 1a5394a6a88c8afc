import { join } from 'node:path';
import { expect } from 'chai';

import { runCommand } from '../../dev/childProcess.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { QUEUE_NAMES } from '../../platform/queues.ts';
import { createHarness, type Harness } from '../support/harness.ts';

describe('the workers’ process', function () {
  this.timeout(60_000);

  let harness: Harness;
  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
  });
  after(() => harness.close());

  const run = (args: readonly string[], env: NodeJS.ProcessEnv) =>
    runCommand(process.execPath, ['--import', 'tsx', join(PROJECT_ROOT, 'workers/main.ts'), ...args], { env, timeoutMs: 30_000 });

  it('refuses queues that there are not, and names those that there are', async () => {
    const { code, output } = await run(['--queues', 'relay,nonsense'], harness.environment());
    expect(code).to.equal(1);
    expect(output).to.include('unknown queues: nonsense');
    for (const name of QUEUE_NAMES) expect(output).to.include(name);
  });

  it('refuses a configuration that is wrong, naming the variable and not its value', async () => {
    const { code, output } = await run([], harness.environment({ MSQPAY_OUTBOX_REDRIVE_MS: 'not-a-number' }));
    expect(code).to.equal(1);
    expect(output).to.include('MSQPAY_OUTBOX_REDRIVE_MS');
    expect(output).not.to.include('not-a-number');
    expect(output).not.to.include('    at ');
  });
});
