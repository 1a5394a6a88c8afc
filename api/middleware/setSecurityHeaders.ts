import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

import type { RequestHandler } from '../request.ts';

type Directives = Readonly<Record<string, readonly string[] | null>>;

/** Nothing in an answer of the API is ever to be run or framed. */
export const API_CONTENT_POLICY: Directives = { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] };

/** Pages of ours: their own files, inline styles (Swagger UI and Bull Board have them), no inline script. */
export const PAGE_CONTENT_POLICY: Directives = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:'],
  'font-src': ["'self'", 'data:'],
  'connect-src': ["'self'"],
  'form-action': ["'self'"],
  'base-uri': ["'self'"],
  'frame-ancestors': ["'none'"],
};

/**
 * Helmet's headers. They never differ from one request to the next, so Helmet is asked for them once and the answer is copied.
 */
export function setSecurityHeaders(contentPolicy: Directives): RequestHandler {
  const headers = collectHelmetHeaders(contentPolicy);
  return (_req, res, next) => {
    for (const [name, value] of headers) res.setHeader(name, value);
    next();
  };
}

function collectHelmetHeaders(contentPolicy: Directives): readonly (readonly [string, string])[] {
  const headers = new Map<string, string>();
  const recorder = {
    setHeader: (name: string, value: string) => void headers.set(name, value),
    removeHeader: (name: string) => void headers.delete(name),
  };
  helmet({ contentSecurityPolicy: { useDefaults: false, directives: contentPolicy as Record<string, string[] | null> } })(
    {} as IncomingMessage,
    recorder as unknown as ServerResponse,
    (error?: unknown) => {
      if (error !== undefined) throw error instanceof Error ? error : new Error('Helmet refused its options');
    },
  );
  return [...headers];
}
