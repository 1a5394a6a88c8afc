import type { Knex } from 'knex';

import { hasColumn, hasNoColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/** What an event of the earlier form is about. */
const SUBJECT = `
        subject_type = IF(refund_id = '', 'payment', 'refund'),
        subject_id = IF(refund_id = '', payment_id, refund_id),
        parent_type = IF(refund_id = '', NULL, 'payment'),
        parent_id = IF(refund_id = '', NULL, payment_id)`;

/**
 * An event is about a subject of any kind, and names what that belongs to: a refund's payment.
 * Which kinds there are is the modules' business, so no CHECK lists them.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('events', 'subject_type'),
    sql: `ALTER TABLE events
      ADD COLUMN subject_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' AFTER type,
      ADD COLUMN subject_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' AFTER subject_type,
      ADD COLUMN parent_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'what the subject belongs to' AFTER subject_id,
      ADD COLUMN parent_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER parent_type`,
  },
  {
    unless: hasNoColumn('events', 'payment_id'),
    chunks: { table: 'events', column: 'id' },
    sql: `UPDATE events SET ${SUBJECT} WHERE id > :after AND id <= :upTo`,
  },
  // What a process of the version before, which should be stopped, has recorded meanwhile.
  {
    unless: hasNoColumn('events', 'payment_id'),
    sql: `UPDATE events SET ${SUBJECT} WHERE subject_type = ''`,
  },
  {
    unless: hasNoColumn('events', 'payment_id'),
    sql: `ALTER TABLE events
      DROP INDEX uq_events_version,
      DROP COLUMN payment_id,
      DROP COLUMN refund_id,
      ALTER COLUMN subject_type DROP DEFAULT,
      ALTER COLUMN subject_id DROP DEFAULT,
      ADD UNIQUE KEY uq_events_subject (subject_type, subject_id, version)`,
  },
];

const DOWN = [
  // Other subjects are not known before this migration.
  `DELETE FROM events WHERE NOT (subject_type = 'payment'
    OR (subject_type = 'refund' AND COALESCE(parent_type, '') = 'payment'))`,
  `ALTER TABLE events
    ADD COLUMN payment_id CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' AFTER type,
    ADD COLUMN refund_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' AFTER payment_id`,
  `UPDATE events SET
    payment_id = IF(subject_type = 'payment', subject_id, parent_id),
    refund_id = IF(subject_type = 'payment', '', subject_id)`,
  `ALTER TABLE events
    DROP INDEX uq_events_subject,
    DROP COLUMN subject_type, DROP COLUMN subject_id, DROP COLUMN parent_type, DROP COLUMN parent_id,
    ALTER COLUMN payment_id DROP DEFAULT,
    ADD UNIQUE KEY uq_events_version (payment_id, refund_id, version)`,
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  for (const statement of DOWN) await knex.raw(statement);
}
