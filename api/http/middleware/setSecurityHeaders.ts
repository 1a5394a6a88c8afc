import helmet from 'helmet';

import type { RequestHandler } from '../request.ts';

const isNever = ["'none'"];

/**
 * For answers that are data: nothing in them may be run, framed, sniffed or read across origins.
 * Helmet's other headers are about pages.
 */
export function setApiSecurityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': isNever, 'frame-ancestors': isNever },
    },
    xFrameOptions: { action: 'deny' },
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
}

/**
 * For our pages: their own files, inline styles (Swagger UI and Bull Board have them), no inline
 * script, nothing from elsewhere.
 */
export function setPageSecurityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      // The defaults would turn every address into https, also where a page is served without it.
      useDefaults: false,
      directives: {
        'default-src': isNever,
        'script-src': ["'self'"],
        'style-src': ["'self'", "'unsafe-inline'"],
        'img-src': ["'self'", 'data:'],
        'font-src': ["'self'", 'data:'],
        'connect-src': ["'self'"],
        'form-action': ["'self'"],
        'base-uri': ["'self'"],
        'frame-ancestors': isNever,
      },
    },
    xFrameOptions: { action: 'deny' },
  });
}
