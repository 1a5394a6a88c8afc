import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What stands where an answer's field belongs. `undefined`: nothing does. */
export type Damage = unknown;

/** Of every field. */
const NEVER: readonly Damage[] = [null, undefined, '', '0xzz', '12', 12, {}];
export const DAMAGES = {
  number: [...NEVER, '0x', `0x${'f'.repeat(64)}`, `0x${'f'.repeat(65)}`, '-0x1'],
  /** A number that may be as large as a word. */
  amount: [...NEVER, '0x', `0x${'f'.repeat(65)}`, '-0x1'],
  hash: [...NEVER, '0x', `0x${'a'.repeat(62)}`, `0x${'a'.repeat(66)}`, 'a'.repeat(64)],
  address: [...NEVER, '0x', `0x${'a'.repeat(38)}`, `0x${'a'.repeat(64)}`],
  data: [...NEVER, '0xabc', 'abcd'],
  list: [undefined, null, '', '0x', 12, true, {}, [null], ['0x'], [{}]],
  flag: ['false', 'true', 0, 1, '0x0', {}, []],
} as const satisfies Record<string, readonly Damage[]>;

export interface Question {
  readonly id: number;
  readonly method: string;
  readonly params?: readonly unknown[];
}

export interface Answer {
  readonly id: number;
  result?: unknown;
  error?: unknown;
}

/** What becomes of an answer, or of the whole body. */
interface Damaging {
  readonly answer?: (question: Question, answer: Answer) => void;
  readonly body?: string;
}

/** A node that passes questions on to another one, and damages what that answers. */
export interface DamagedNode {
  /** An URL of its own for each damage. */
  urlWith(damaging: Damaging): string;
  close(): void;
}

export async function startDamagedNode(rpcUrl: string): Promise<DamagedNode> {
  /** By the first part of the URL's path. */
  const damaging = new Map<string, Damaging>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      void (async () => {
        const body = Buffer.concat(chunks).toString();
        const asked = JSON.parse(body) as Question | Question[];
        const passedOn = await fetch(rpcUrl, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        const answers = (await passedOn.json()) as Answer | Answer[];
        const damaged = damaging.get(request.url?.split('/')[1] ?? '');
        for (const answer of [answers].flat()) {
          const question = [asked].flat().find(({ id }) => id === answer.id);
          if (question !== undefined) damaged?.answer?.(question, answer);
        }
        response.writeHead(200, { 'content-type': 'application/json' });
        const isIdentity = [asked].flat().every(({ method }) => method === 'eth_chainId');
        response.end(
          damaged?.body !== undefined && !isIdentity ? damaged.body : JSON.stringify(answers),
        );
      })();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  let cases = 0;
  return {
    urlWith(what) {
      const name = `case-${++cases}`;
      damaging.set(name, what);
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}/KEY-OF-THE-PROVIDER`;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Puts the damage where a field of the result is; no path: in place of the result. */
export function damage(answer: Answer, path: readonly (string | number)[], by: Damage): void {
  const steps = ['result', ...path];
  const last = steps.pop() ?? '';
  let holder = answer as unknown as Record<string | number, unknown>;
  for (const step of steps) holder = holder[step] as Record<string | number, unknown>;
  if (by === undefined) delete holder[last];
  else holder[last] = by;
}
