/** `state.json` in a data folder: the password, and which server made the data. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../writeAtomically.ts';
import type { DatabaseFlavour } from './engine.ts';

export interface DatabaseState {
  password: string;
  flavour?: DatabaseFlavour;
}

/** Makes one with a new password at the first time. */
export function readDatabaseState(dataDir: string): DatabaseState {
  const path = join(dataDir, 'state.json');
  if (existsSync(path)) {
    const { password, flavour } = JSON.parse(readFileSync(path, 'utf8')) as Partial<DatabaseState>;
    if (typeof password === 'string' && /^[0-9a-f]+$/.test(password))
      return { password, ...(flavour === undefined ? {} : { flavour }) };
    throw new Error(
      `${path} is damaged. Delete the folder ${dataDir} to begin with an empty database.`,
    );
  }
  const state: DatabaseState = { password: randomBytes(16).toString('hex') };
  writeDatabaseState(dataDir, state);
  return state;
}

export function writeDatabaseState(dataDir: string, state: DatabaseState): void {
  writeAtomically(join(dataDir, 'state.json'), JSON.stringify(state) + '\n');
}
