import { hash, timingSafeEqual } from 'node:crypto';

import type { Config } from './config.ts';

/** `none`: whoever asks has not logged in. */
export type LoginVerdict = 'right' | 'wrong' | 'none';

/**
 * Compares the login of a request (HTTP Basic, the header `Authorization`) with that of the
 * operators.
 */
export function createJudgeLogin({
  user,
  password,
}: Config['admin']): (authorization: string | undefined) => LoginVerdict {
  // Hashes have one length, which timingSafeEqual needs, and do not tell the right one.
  const expected = hash('sha256', `${user}:${password}`, 'buffer');
  return (authorization) => {
    const [scheme, credentials] = authorization?.split(' ') ?? [];
    if (scheme?.toLowerCase() !== 'basic' || credentials === undefined) return 'none';
    return timingSafeEqual(hash('sha256', Buffer.from(credentials, 'base64'), 'buffer'), expected)
      ? 'right'
      : 'wrong';
  };
}

/** For the answer to a request without the right one: a browser asks its user then. */
export const LOGIN_CHALLENGE = 'Basic realm="MSQPay operators", charset="UTF-8"';
