import express from 'express';

import type { RequestHandler } from '../request.ts';

/** The largest request of the document, a relay with its calldata and permit, stays below 12 kB; metadata in four-byte characters below 24 kB. */
const MAX_BODY = '64kb';

/** Compressed bodies are refused: none needs it, and a small one can unpack to a large one. */
export function parseJsonBody(): RequestHandler {
  return express.json({ limit: MAX_BODY, inflate: false, strict: true });
}
