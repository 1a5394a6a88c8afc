import { expect } from 'chai';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildContracts } from '../build.ts';

describe('The contracts build', () => {
  const generated = fileURLToPath(new URL('../generated/TestToken.ts', import.meta.url));

  it('is committed as the sources have it', async () => {
    expect((await buildContracts({ check: true })).status).to.equal('current');
  });

  it('notices a generated file that was edited', async () => {
    const before = readFileSync(generated, 'utf8');
    try {
      appendFileSync(generated, '// edited\n');
      expect((await buildContracts({ check: true })).status).to.equal('outdated');
    } finally {
      writeFileSync(generated, before);
    }
    expect((await buildContracts({ check: true })).status).to.equal('current');
  });
});
