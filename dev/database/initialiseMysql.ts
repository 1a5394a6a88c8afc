import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { hashOf, makeDirectory } from './engine.ts';
import { runServerOnce } from './serverProgram.ts';
import type { ServerProgram } from './serverProgram.ts';

/**
 * Makes an empty data folder, as a copy of one that was made before: MySQL takes three seconds to make one, a copy a twentieth of that, and
 * every mocha process wants one.
 */
export async function initialiseMysql(program: ServerProgram, tables: string, userOption: readonly string[]): Promise<void> {
  // The description has the version: another server makes another one.
  const template = join(PROJECT_ROOT, '.dev', 'mysql', `empty-${hashOf(program.description)}`);
  if (!existsSync(template)) await makeTemplate(program, template, userOption);
  cpSync(template, tables, { recursive: true });
}

async function makeTemplate(program: ServerProgram, template: string, userOption: readonly string[]): Promise<void> {
  const draft = `${template}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(dirname(template), { recursive: true });
  makeDirectory(draft);
  await runServerOnce(program, ['--initialize-insecure', `--datadir=${draft}`, ...userOption]);
  // The server's own id: each copy gets another one at its first start.
  rmSync(join(draft, 'auto.cnf'), { force: true });
  try {
    renameSync(draft, template);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another process was faster; its folder is as good.
    if (!existsSync(template)) throw error;
  }
}
