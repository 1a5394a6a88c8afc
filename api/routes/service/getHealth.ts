import type { Handler } from '../../http/handler.ts';

/**
 * Says only that this process turns its event loop: whoever restarts processes must not do so
 * because a dependency is down.
 */
export const getHealth: Handler<'getHealth'> = () =>
  Promise.resolve({ status: 200, body: { status: 'ok' } });
