import { createHmac, randomUUID } from 'node:crypto';
import { isEqual } from '../relayer/startSimulator.ts';

/**
 * Signed rather than remembered, as Defender's are: they stay valid when the simulator is
 * restarted.
 */
export function createTokens(secret: string): {
  issue(use: 'access' | 'refresh', ttlMs: number): string;
  isValid(token: unknown, use: 'access' | 'refresh'): boolean;
} {
  const signatureOf = (claims: string): string =>
    createHmac('sha256', secret).update(claims).digest('base64url');
  return {
    issue(use, ttlMs) {
      const claims = Buffer.from(
        JSON.stringify({ use, expiresAt: Date.now() + ttlMs, id: randomUUID() }),
      ).toString('base64url');
      return `${claims}.${signatureOf(claims)}`;
    },
    isValid(token, use) {
      if (typeof token !== 'string') return false;
      const [claims = '', signature = ''] = token.split('.');
      if (!isEqual(signature, signatureOf(claims))) return false;
      const read = JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
        use: string;
        expiresAt: number;
      };
      return read.use === use && read.expiresAt > Date.now();
    },
  };
}
