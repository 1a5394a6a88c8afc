import { promises as dns, type LookupAddress } from 'node:dns';
import { setTimeout as sleep } from 'node:timers/promises';

/** For one question to a name server; asked twice. */
const QUESTION_TIMEOUT_MS = 1_500;
const TRIES = 2;
/** Whatever the name servers do; well below the time of a POST. */
const RESOLVE_TIMEOUT_MS = 5_000;
/**
 * How long the addresses of the other family are waited for once those of one are there (RFC 8305,
 * section 3, and some more).
 */
const OTHER_FAMILY_MS = 100;

/** There is no such name. Anything else that goes wrong may be different a moment later. */
const NO_SUCH_NAME = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME']);

export class HostNotFoundError extends Error {
  override readonly name = 'HostNotFoundError';
}

/** The name's servers do not answer, or not properly. */
export class HostNotResolvedError extends Error {
  override readonly name = 'HostNotResolvedError';
}

/** @throws HostNotFoundError, HostNotResolvedError */
export type ResolveHost = (hostname: string) => Promise<readonly LookupAddress[]>;

/**
 * Asks name servers by itself, without the threads of `dns.lookup`: there are four in a process,
 * and a name server that keeps silent holds one for ten seconds and more, while files, keys and
 * every other name wait. A name that many ask for is asked for once.
 *
 * @param options.asksMachine also takes what the machine calls by that name (its hosts file): for
 *   development
 * @param options.nameServers `address:port`; those of the machine when absent
 */
export function createResolveHost(options: {
  readonly asksMachine: boolean;
  readonly nameServers?: readonly string[];
}): ResolveHost {
  let resolver = createResolver();
  const asking = new Map<string, Promise<readonly LookupAddress[]>>();

  /** It reads which name servers the machine has once, when it is made. */
  function createResolver(): dns.Resolver {
    const created = new dns.Resolver({ timeout: QUESTION_TIMEOUT_MS, tries: TRIES });
    if (options.nameServers !== undefined) created.setServers(options.nameServers);
    return created;
  }

  async function resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const ask = async (family: 4 | 6): Promise<LookupAddress[]> => {
      const addresses = await (family === 4
        ? resolver.resolve4(hostname)
        : resolver.resolve6(hostname));
      return addresses.map((address) => ({ address, family }));
    };
    const answers = await settleSoon([ask(4), ask(6)]);
    const addresses = answers.flatMap((answer) => (Array.isArray(answer) ? answer : []));
    if (addresses.length > 0) return addresses;
    if (answers.some((answer) => answer instanceof Error && !isNoSuchName(answer))) {
      // The machine may have others by now.
      resolver = createResolver();
      throw new HostNotResolvedError();
    }
    if (options.asksMachine) {
      const known = await dns.lookup(hostname, { all: true }).catch(() => []);
      if (known.length > 0) return known;
    }
    throw new HostNotFoundError();
  }

  return (hostname) => {
    const known = asking.get(hostname);
    if (known !== undefined) return known;
    const answer = resolve(hostname).finally(() => asking.delete(hostname));
    asking.set(hostname, answer);
    return answer;
  };
}

/**
 * Both answers; or the first with addresses, and whatever the other one has come to a moment later;
 * or none in time.
 */
async function settleSoon(
  questions: readonly Promise<LookupAddress[]>[],
): Promise<readonly (LookupAddress[] | Error)[]> {
  const answers: (LookupAddress[] | Error)[] = [];
  const all = questions.map((question) =>
    question.then(
      (addresses) => void answers.push(addresses),
      (error: unknown) => void answers.push(error as Error),
    ),
  );
  const timers = new AbortController();
  const wait = (ms: number) =>
    sleep(ms, undefined, { signal: timers.signal }).catch(() => undefined);
  await Promise.race([
    Promise.all(all),
    Promise.any(questions).catch(() => Promise.all(all)),
    wait(RESOLVE_TIMEOUT_MS),
  ]);
  await Promise.race([Promise.all(all), wait(answers.some(Array.isArray) ? OTHER_FAMILY_MS : 0)]);
  timers.abort();
  return answers.length === 0 ? [new HostNotResolvedError()] : [...answers];
}

function isNoSuchName(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && NO_SUCH_NAME.has(error.code);
}
