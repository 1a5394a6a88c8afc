import type { OutboxQueue } from './model.ts';

/**
 * For a statement of another module that looks for rows without promised work, in one go.
 * @param subject the column that has the subject's id, with its table's alias
 * @returns `join`, after which `isMissing` is a condition; they name the promise `alias`
 */
export function joinPromise(alias: string, queue: OutboxQueue, subject: string) {
  return {
    join: `LEFT JOIN outbox ${alias} ON ${alias}.queue = '${queue}' AND ${alias}.subject_id = ${subject}`,
    isMissing: `${alias}.id IS NULL`,
  };
}
