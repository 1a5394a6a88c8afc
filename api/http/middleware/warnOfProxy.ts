import type { Context } from '../../../platform/context.ts';
import type { RequestHandler } from '../request.ts';

/**
 * Behind a proxy that is not trusted every caller has the proxy's address, and what is limited by
 * address is limited for all of them together. The first request that shows it is told to the
 * operator, once a process.
 */
export function warnOfProxy(ctx: Context): RequestHandler[] {
  if (ctx.config.trustedProxies > 0) return [];
  let isTold = false;
  return [
    (req, _res, next) => {
      if (
        !isTold &&
        (req.headers['x-forwarded-for'] !== undefined || req.headers.forwarded !== undefined)
      ) {
        isTold = true;
        ctx.log.warn(
          { alert: 'proxy_not_trusted' },
          'requests come through a proxy that is not trusted: set MSQPAY_TRUSTED_PROXIES to the number of proxies, or callers cannot be told apart',
        );
      }
      next();
    },
  ];
}
