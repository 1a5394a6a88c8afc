import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

export interface ReceivedWebhook {
  /** `webhook-id`, by which a store recognises repetitions. */
  readonly id: string;
  readonly type: string;
  readonly paymentId: string;
  readonly body: string;
  readonly receivedAt: number;
}

/**
 * The server of a store: takes webhooks as the documentation tells stores to, verifying each with
 * the published library.
 */
export interface StoreServer {
  readonly url: string;
  /** Verified ones, in the order of their arrival, repetitions included. */
  readonly received: readonly ReceivedWebhook[];
  /** Why requests were not accepted as webhooks of ours: to be empty. */
  readonly refused: readonly string[];
  /** The endpoint's secret. */
  trust(secret: string): void;
  /**
   * What verified webhooks are answered, 204 unless told; after whatever time it takes. `none`
   * breaks the connection off.
   */
  answerWith(
    answer: (webhook: ReceivedWebhook) => number | 'none' | Promise<number | 'none'>,
  ): void;
  ofPayment(paymentId: string): ReceivedWebhook[];
  close(): Promise<void>;
}

export async function startStoreServer(): Promise<StoreServer> {
  const received: ReceivedWebhook[] = [];
  const refused: string[] = [];
  let verifier: Webhook | undefined;
  let answer: (webhook: ReceivedWebhook) => number | 'none' | Promise<number | 'none'> = () => 204;

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const header = (name: string) => String(request.headers[name]);
      let webhook: ReceivedWebhook;
      try {
        if (verifier === undefined) throw new Error('a webhook came before there was a secret');
        const headers = {
          'webhook-id': header('webhook-id'),
          'webhook-timestamp': header('webhook-timestamp'),
          'webhook-signature': header('webhook-signature'),
        };
        const { type, data } = verifier.verify(body, headers) as {
          type: string;
          data: { paymentId: string };
        };
        webhook = {
          id: headers['webhook-id'],
          type,
          paymentId: data.paymentId,
          body,
          receivedAt: Date.now(),
        };
      } catch (error) {
        refused.push(`${String(error)}: ${body}`);
        response.writeHead(400).end();
        return;
      }
      received.push(webhook);
      void Promise.resolve(answer(webhook)).then((status) => {
        if (status === 'none') response.destroy();
        else response.writeHead(status).end();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}/webhooks`,
    received,
    refused,
    trust(secret) {
      verifier = new Webhook(secret);
    },
    answerWith(next) {
      answer = next;
    },
    ofPayment: (paymentId) => received.filter((webhook) => webhook.paymentId === paymentId),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
