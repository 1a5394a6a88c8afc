import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { hashOf, makeDirectory } from './engine.ts';
import type { ServerProgram } from './serverProgram.ts';

/**
 * Makes an empty data folder, as a copy of one that was made before: a server takes seconds to make
 * one, a copy a tenth of that, and every mocha process wants one.
 * @param make makes one in the folder that it is given, which is empty
 */
export async function copyEmptyTables(
  program: ServerProgram,
  tables: string,
  make: (draft: string) => Promise<void>,
): Promise<void> {
  // The description has the version: another server makes another one.
  const template = join(PROJECT_ROOT, '.dev', 'database', `empty-${hashOf(program.description)}`);
  if (!existsSync(template)) await makeTemplate(template, make);
  cpSync(template, tables, { recursive: true });
}

async function makeTemplate(
  template: string,
  make: (draft: string) => Promise<void>,
): Promise<void> {
  const draft = `${template}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(dirname(template), { recursive: true });
  makeDirectory(draft);
  await make(draft);
  try {
    renameSync(draft, template);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another process was faster; its folder is as good.
    if (!existsSync(template)) throw error;
  }
}
