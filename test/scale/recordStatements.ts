import type { Database } from '../../platform/db.ts';

/** A statement as it was sent, and what was being done then. */
export interface RecordedStatement {
  readonly during: string;
  readonly sql: string;
  readonly bindings: readonly unknown[];
}

export interface Recorder {
  /** Names what is done from here on. */
  begin(during: string): void;
  /**
   * The first of each shape and name, in their order. @returns everything that was sent since the
   * recorder was made
   */
  stop(): RecordedStatement[];
}

/** What Knex tells of each statement. */
interface QueryEvent {
  readonly sql: string;
  readonly bindings?: readonly unknown[];
}

export function recordStatements(db: Database): Recorder {
  const seen = new Map<string, RecordedStatement>();
  let during = 'nothing';
  const look = ({ sql, bindings = [] }: QueryEvent) => {
    if (!/^[\s(]*(SELECT|UPDATE|DELETE|WITH)\b/i.test(sql)) return;
    const key = `${during} ${shapeOf(sql)}`;
    if (!seen.has(key)) seen.set(key, { during, sql, bindings });
  };
  db.on('query', look);
  return {
    begin(name) {
      during = name;
    },
    stop() {
      db.removeListener('query', look);
      return [...seen.values()];
    },
  };
}

/** The statement with lists of any length written alike, on one line. */
export function shapeOf(sql: string): string {
  return sql
    .replace(/\s+/g, ' ')
    .replace(/\?(, \?)+/g, '?…')
    .replace(/(\(\?…?\)|\(store_id = \? AND idempotency_key IN \(\?…?\)\))(( OR |, )\1)+/g, '$1…')
    .trim();
}
