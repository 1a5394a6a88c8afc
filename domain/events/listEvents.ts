import type { Context } from '../../platform/context.ts';
import type { EventSubject, EventSummary } from './model.ts';
import { listEventsOf } from './rows/eventStore.ts';

/** What has happened to a subject, oldest first; not what has to those that belong to it. */
export async function listEvents(ctx: Context, subject: EventSubject): Promise<EventSummary[]> {
  return listEventsOf(ctx.db, subject);
}
