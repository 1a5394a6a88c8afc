import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';

import { compileSources } from '../../dev/compileSources.ts';

describe('compiled sources', function () {
  this.timeout(20_000);
  let root: string;
  let folder: string;
  const write = (path: string, text: string) => writeFileSync(join(root, path), text);
  const compile = () => compileSources(root, folder);

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'msqpay-compile-'));
    folder = join(root, '.dev', 'compiled');
    mkdirSync(join(root, 'shop'));
    write('package.json', '{ "type": "module" }');
    write(
      'tsconfig.json',
      '{ "compilerOptions": { "module": "NodeNext", "target": "ES2023", "rewriteRelativeImportExtensions": true, "noEmit": true } }',
    );
    write('shop/price.ts', 'export const price: number = 3;\n');
    write(
      'main.ts',
      "import { price } from './shop/price.ts';\nexport const total: number = 2 * price;\n",
    );
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('run as the sources do', async () => {
    await compile();
    expect(await import(pathToFileURL(join(folder, 'main.js')).href)).to.have.property('total', 6);
  });

  it('are compiled anew when their source has changed, whatever its date, and not otherwise', async () => {
    expect((await compile()).sort()).to.deep.equal(['main.ts', 'shop/price.ts']);
    expect(await compile()).to.deep.equal([]);
    write('shop/price.ts', 'export const price: number = 4;\n');
    expect(await compile()).to.deep.equal(['shop/price.ts']);
    write(
      'tsconfig.json',
      '{ "compilerOptions": { "module": "NodeNext", "target": "ES2022", "rewriteRelativeImportExtensions": true } }',
    );
    expect((await compile()).sort()).to.deep.equal(['main.ts', 'shop/price.ts']);
  });

  it('go when their source has gone: a test that was deleted is not run', async () => {
    await compile();
    rmSync(join(root, 'main.ts'));
    await compile();
    expect(existsSync(join(folder, 'main.js'))).to.equal(false);
    expect(existsSync(join(folder, 'shop', 'price.js'))).to.equal(true);
  });

  it('come together when several processes compile at once', async () => {
    await Promise.all([compile(), compile()]);
    expect(await compile()).to.deep.equal([]);
    expect(await import(pathToFileURL(join(folder, 'main.js')).href)).to.have.property('total', 6);
  });

  it('are refused with what is wrong with them', async () => {
    write('main.ts', 'export const total = ;\n');
    const error: unknown = await compile().catch((reason: unknown) => reason);
    expect(error)
      .to.be.an('error')
      .with.property('message')
      .that.matches(/main\.ts: Expression expected/);
  });
});
