import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Question {
  readonly method: string;
  readonly params?: readonly unknown[];
}

export interface MixedNode {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * One URL with several nodes behind it, as a provider's: each HTTP request is answered by one of
 * them.
 * @param choose by what the request asks, in its order
 */
export async function startMixedNode(
  choose: (questions: readonly Question[]) => string,
): Promise<MixedNode> {
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString('utf8');
      const rpcUrl = choose([JSON.parse(body) as Question | Question[]].flat());
      const answer = await fetch(rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      response
        .writeHead(answer.status, { 'content-type': 'application/json' })
        .end(Buffer.from(await answer.arrayBuffer()));
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
