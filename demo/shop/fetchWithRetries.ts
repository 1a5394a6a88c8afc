import { setTimeout as sleep } from 'node:timers/promises';

const ATTEMPTS = 3;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;
/** Longer than the longest `wait` that this shop asks for. */
const TIMEOUT_MS = 40_000;

/**
 * `fetch`, but a request that got no answer, or a "not now", is sent again – provided that sending
 * it twice does no harm: it only reads, it removes, or it carries an Idempotency-Key, by which the
 * server recognises the repetition and replays its first reply.
 */
export async function fetchWithRetries(request: Request): Promise<Response> {
  const isRepeatable =
    ['GET', 'HEAD', 'DELETE'].includes(request.method) || request.headers.has('idempotency-key');
  const attempts = isRepeatable ? ATTEMPTS : 1;
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt === attempts;
    let retryAfterSeconds = 0;
    try {
      // A body can be read once, so each attempt gets a copy.
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]);
      const response = await fetch(new Request(request.clone(), { signal }));
      if (isLast || !(await isWorthRepeating(response))) return response;
      retryAfterSeconds = Number(response.headers.get('retry-after') ?? 0) || 0;
      await response.body?.cancel();
    } catch (error) {
      if (isLast || request.signal.aborted) throw error;
    }
    const delayMs = Math.max(FIRST_DELAY_MS * 2 ** (attempt - 1), retryAfterSeconds * 1000);
    await sleep(Math.min(delayMs, LONGEST_DELAY_MS), undefined, { signal: request.signal });
  }
}

async function isWorthRepeating(response: Response): Promise<boolean> {
  if ([429, 502, 503, 504].includes(response.status)) return true;
  if (response.status !== 409) return false;
  // PAY_014: the first request with this Idempotency-Key is still being worked on.
  const problem = (await response
    .clone()
    .json()
    .catch(() => undefined)) as { readonly code?: unknown } | undefined;
  return problem?.code === 'PAY_014';
}
