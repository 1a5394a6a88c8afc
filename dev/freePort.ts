import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/**
 * Ports from here on up to where the system's own choice begins are looked at. What listens on any
 * port, and each end of a connection that is opened, gets one of the system's choice: between our
 * look and the moment at which a program binds the port, which may be a second, one of those would
 * be taken.
 */
const LOWEST_PORT = 10_000;
const LOOKS = 1_000;

/**
 * By this process: who asked for them may not have bound them yet, or may be about to bind them
 * again.
 */
const given = new Set<number>();

/**
 * A TCP port on the loopback that nothing listens on at this moment. `preferred` is tried first, so
 * that printed addresses stay the same from run to run when they can. Another program may still
 * take the port before it is bound: whoever starts a server on it retries with a new one.
 */
export async function findFreePort(preferred?: number): Promise<number> {
  if (preferred !== undefined) {
    const port = await tryPort(preferred);
    if (port !== undefined) return port;
  }
  const end = readFirstOfSystem();
  for (let looks = 0; looks < LOOKS; looks++) {
    // Chance keeps processes that look at the same time apart.
    const candidate = randomInt(LOWEST_PORT, end);
    if (given.has(candidate) || (await tryPort(candidate)) === undefined) continue;
    given.add(candidate);
    return candidate;
  }
  const port = await tryPort(0);
  if (port === undefined) throw new Error('No free TCP port on 127.0.0.1');
  return port;
}

/** The lowest port that the system itself chooses. */
function readFirstOfSystem(): number {
  let first: number | undefined;
  try {
    first = Number(
      /^\d+/.exec(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'))?.[0],
    );
  } catch {
    // Not Linux: 49152 there.
  }
  return first !== undefined && first > LOWEST_PORT ? first : 32_768;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}
