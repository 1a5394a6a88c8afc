import type { Database } from '../../platform/db.ts';

/**
 * Resolves when the database has answered a statement of this pool that contains the text: to be
 * called before it is asked.
 */
export function nextAnswer(db: Database, text: string): Promise<void> {
  return new Promise((resolve) => {
    function onResponse(_response: unknown, { sql }: { readonly sql: string }): void {
      if (!sql.includes(text)) return;
      db.removeListener('query-response', onResponse);
      resolve();
    }
    db.on('query-response', onResponse);
  });
}
