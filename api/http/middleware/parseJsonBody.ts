import { isUtf8 } from 'node:buffer';
import express from 'express';

import { AppError, COMMON_ERRORS } from '../../../shared/errors.ts';
import { HTTP_ERRORS } from '../errors.ts';
import { parseJsonText } from '../parseJsonText.ts';
import type { Request, RequestHandler } from '../request.ts';

/**
 * The largest request of the document, a relay with its calldata and permit, stays below 12 kB;
 * metadata in four-byte characters below 24 kB.
 */
const MAX_BODY = '64kb';

const JSON_TYPE = 'application/json';
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)/i;
const UTF_8_NAMES = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii']);

/**
 * Reads the body as JSON in UTF-8, and takes it as it stands or not at all: a body that could be
 * read in two ways, or be stored as something else than was sent, is refused (see
 * parseJsonText.ts).
 *
 * Compressed bodies are refused: none needs it, and a small one can unpack to a large one. What is
 * not JSON is left unread for validateOperation.ts, which refuses it with 415.
 */
export function parseJsonBody(): RequestHandler[] {
  return [express.raw({ type: JSON_TYPE, limit: MAX_BODY, inflate: false }), parseRead];
}

const parseRead: RequestHandler = (req, _res, next) => {
  const bytes: unknown = req.body;
  if (Buffer.isBuffer(bytes)) {
    assertUtf8(req, bytes);
    // Some clients announce JSON wherever they post, and then send nothing. Where a body is needed
    // the validator misses it.
    req.body = bytes.length === 0 ? undefined : parseJsonText(bytes.toString('utf8'));
  }
  next();
};

function assertUtf8(req: Request, bytes: Buffer): void {
  const charset = CHARSET.exec(req.headers['content-type'] ?? '')?.[1]?.toLowerCase();
  if (charset !== undefined && !UTF_8_NAMES.has(charset)) {
    throw new AppError(HTTP_ERRORS.unsupportedMediaType, { detail: 'JSON is in UTF-8.' });
  }
  if (!isUtf8(bytes))
    throw new AppError(COMMON_ERRORS.validation, { detail: 'The body is not valid UTF-8.' });
}
