import type { EIP1193RequestFn, PublicClient } from 'viem';

/** Asks one question at a time, as it is. */
export type Requester = Pick<PublicClient, 'request'>;

/**
 * viem puts the questions of one moment to one URL into one HTTP request, whichever of our clients
 * they come from, and begins another one wherever that is full. So questions that belong together
 * might be parted. Those with a signal go with those of the same signal alone.
 * @param client whose transport puts questions together, at least as many as have this signal
 * @param signal never aborted
 */
export function inOneRequest(client: PublicClient, signal: AbortSignal): Requester {
  const request = async (...[args, options]: Parameters<EIP1193RequestFn>): Promise<unknown> =>
    (client.request as EIP1193RequestFn)(args, { ...options, signal });
  return { request: request as PublicClient['request'] };
}
