import type { ApiKeyIdentity } from '../../domain/stores/model.ts';

/** What our middleware knows of a request by the time a later one runs. */
declare module 'express-serve-static-core' {
  interface Request {
    /** Set by assignRequestId, first of all. */
    requestId: string;
    /** Set by authenticate. */
    identity?: ApiKeyIdentity;
    /** The operation it came to; absent for pages and unknown routes. */
    operationId?: string;
  }
  interface Response {
    /** The code of the problem that it was answered with. */
    errorCode?: string;
  }
}

export type { Request, RequestHandler, Response } from 'express';
