import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/** What Node tells when a server of this process has read the head of a request. */
const CHANNEL = 'http.server.request.start';

/**
 * Resolves when servers of this process have received a request for this path, or so many: to be
 * called before they are made.
 */
export function nextRequest(path: string, count = 1): Promise<void> {
  let left = count;
  return new Promise((resolve) => {
    function onRequest(message: unknown): void {
      const { request } = message as { request: IncomingMessage };
      if (request.url?.split('?')[0]?.endsWith(path) !== true) return;
      left -= 1;
      if (left > 0) return;
      unsubscribe(CHANNEL, onRequest);
      resolve();
    }
    subscribe(CHANNEL, onRequest);
  });
}
