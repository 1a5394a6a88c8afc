import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { migrate } from '../db/migrate.ts';
import { createDatabase } from '../platform/db.ts';
import { PROJECT_ROOT } from '../platform/projectRoot.ts';
import { startDatabase } from './database/startDatabase.ts';
import { describeSchema, SCHEMA_FILE } from './describeSchema.ts';

/** `npm run db:schema`: migrates an empty database and writes what has become of it. */
const directory = mkdtempSync(join(tmpdir(), 'msqpay-schema-'));
const server = await startDatabase({
  dataDir: join(directory, 'database'),
  logPath: join(directory, 'database.log'),
  onProgress: (message) => console.error(message),
  isDisposable: true,
});
try {
  const db = createDatabase(await server.createDatabase('msqpay_schema'), 2);
  try {
    await migrate(db);
    writeFileSync(join(PROJECT_ROOT, SCHEMA_FILE), await describeSchema(db));
    console.log(`${SCHEMA_FILE} is written`);
  } finally {
    await db.destroy();
  }
} finally {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
}
