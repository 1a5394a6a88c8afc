import { Router } from 'express';
import swaggerUi from 'swagger-ui-express';

import { setPageSecurityHeaders } from './middleware/setSecurityHeaders.ts';
import type { OpenapiDocument } from './openapiDocument.ts';

/** The document as JSON and as pages, under the API's own address. */
export function createApiDocs(document: OpenapiDocument, basePath: string): Router {
  const router = Router();
  const json = Buffer.from(JSON.stringify(document));
  router.get('/openapi.json', (_req, res) => {
    res.setHeader('Content-Type', 'application/json; charset=utf-8');
    res.setHeader('Cache-Control', 'public, max-age=60');
    res.end(json);
  });
  router.use('/docs', setPageSecurityHeaders(), (req, res, next) => {
    // The page names its files relative to its own address.
    if (req.path === '/' && !req.originalUrl.split('?', 1)[0]?.endsWith('/'))
      res.redirect(308, `${basePath}/docs/`);
    else next();
  });
  router.use('/docs', swaggerUi.serve);
  // Only here: left to itself it answers every unknown address below with this page.
  router.get(
    '/docs/',
    swaggerUi.setup(undefined, {
      swaggerOptions: { url: `${basePath}/openapi.json` },
      customSiteTitle: 'MSQPay API',
    }),
  );
  return router;
}
