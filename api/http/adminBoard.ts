import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import type { Queue } from 'bullmq';
import { Router } from 'express';

import type { Context } from '../../platform/context.ts';
import { createFailureLimiter } from './middleware/createFailureLimiter.ts';
import { requireAdminLogin } from './middleware/requireAdminLogin.ts';
import { setPageSecurityHeaders } from './middleware/setSecurityHeaders.ts';

/** Wrong logins an address may send in a minute. */
const MAX_FAILURES = 10;

/** Bull Board, which has no login of its own, behind one. */
export function createAdminBoard(ctx: Context, queues: readonly Queue[], path: string): Router {
  const readOnlyMode = ctx.config.bullBoardReadOnly;
  const serverAdapter = new ExpressAdapter();
  serverAdapter.setBasePath(path);
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode })),
    serverAdapter,
    options: { uiConfig: { boardTitle: 'MSQPay queues' } },
  });
  const router = Router();
  router.use(setPageSecurityHeaders());
  router.use(requireAdminLogin(ctx, createFailureLimiter(ctx, 'admin-login', MAX_FAILURES)));
  router.use(serverAdapter.getRouter() as Router);
  return router;
}
