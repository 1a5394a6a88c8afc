import { migrationSource } from './db/migrationSource.ts';

/** For the knex command line: `npm run db -- migrate:latest`. The server migrates with the same source. */
export default {
  client: 'mysql2',
  connection: process.env['DATABASE_URL'] ?? '',
  migrations: { migrationSource, tableName: 'schema_migrations' },
};
