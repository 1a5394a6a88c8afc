import { spawnSync } from 'node:child_process';
import { expect } from 'chai';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { programArguments } from '../support/programArguments.ts';

const NOWHERE = '127.0.0.1:9';

describe('the command line', function () {
  this.timeout(60_000);

  let harness: Harness;
  before(async () => {
    harness = await createHarness();
  });
  after(() => harness.close());

  /**
   * Without the relayers' keys: who runs a command needs none, and has none where the workers alone
   * are given them.
   */
  function run(args: readonly string[], overrides: Readonly<Record<string, string>>) {
    const keys = Object.keys(harness.stack.relayerKeys);
    const all = harness.environment({ MSQPAY_LOG_LEVEL: 'info', ...overrides });
    return spawnSync(process.execPath, [...programArguments('cli/main.ts'), ...args], {
      cwd: PROJECT_ROOT,
      env: Object.fromEntries(Object.entries(all).filter(([name]) => !keys.includes(name))),
      encoding: 'utf8',
    });
  }

  for (const pretty of ['true', 'false'])
    it(`prints the result alone, whatever it logs beside (MSQPAY_LOG_PRETTY=${pretty})`, () => {
      const chain = String(harness.config.chains[0]?.chainId);
      const args = [
        'lift-back-off',
        '--chain',
        chain,
        '--holder',
        '0x90F79bf6EB2c4f870365E785982E1f101E93b906',
      ];
      const { stdout, stderr, status } = run(args, { MSQPAY_LOG_PRETTY: pretty });
      expect(status, stderr).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal({ forgotten: 0 });
      expect(stderr).to.include('a back-off was lifted');
    });

  it('says in a sentence that there is no database', () => {
    const { stdout, stderr, status } = run(['failing-work'], {
      DATABASE_URL: `mysql://user:password@${NOWHERE}/msqpay`,
    });
    expect(status).to.equal(2);
    expect(stdout).to.equal('');
    const sentences = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
    expect(sentences, stderr).to.have.length(1);
    expect(sentences[0]).to.match(/^The database does not answer: .*ECONNREFUSED/);
    expect(stderr).not.to.include('password');
  });
});
