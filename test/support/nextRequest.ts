import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';

/** What Node tells when a server of this process has read the head of a request. */
const CHANNEL = 'http.server.request.start';

/** Resolves when a server of this process has received a request for this path: to be called before it is made. */
export function nextRequest(path: string): Promise<void> {
  return new Promise((resolve) => {
    function onRequest(message: unknown): void {
      const { request } = message as { request: IncomingMessage };
      if (request.url?.split('?')[0]?.endsWith(path) !== true) return;
      unsubscribe(CHANNEL, onRequest);
      resolve();
    }
    subscribe(CHANNEL, onRequest);
  });
}
