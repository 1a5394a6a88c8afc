import { expect } from 'chai';
import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildContracts, GENERATED_FOLDER } from '../../contracts/build.ts';

describe('The contracts build', () => {
  it('is committed as the sources have it', async () => {
    expect((await buildContracts({ check: true })).status).to.equal('current');
  });

  it('notices a generated file that was edited', async () => {
    // A copy: others, beside this test, look at the files themselves.
    const folder = mkdtempSync(join(tmpdir(), 'msqpay-generated-'));
    try {
      cpSync(GENERATED_FOLDER, folder, { recursive: true });
      expect((await buildContracts({ check: true, folder })).status).to.equal('current');
      appendFileSync(join(folder, 'TestToken.ts'), '// edited\n');
      expect((await buildContracts({ check: true, folder })).status).to.equal('outdated');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
