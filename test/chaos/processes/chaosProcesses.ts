import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { startProcess, type ManagedProcess } from '../../../dev/childProcess.ts';
import { findFreePort } from '../../../dev/freePort.ts';
import { PROJECT_ROOT } from '../../../platform/projectRoot.ts';
import type { Random } from '../../support/createRandom.ts';
import { CRASH_POINTS, CRASH_VARIABLE, type CrashPoint } from './crashPoints.ts';
import { programArguments } from '../../support/programArguments.ts';

/** A process that dies again and again and is always started anew, as an orchestrator would. */
export interface MortalProcess {
  readonly url: string;
  readonly deaths: ReadonlyMap<string, number>;
  /**
   * Rejects when it ended by itself, which is a defect: of what waits for it meanwhile, nothing
   * would ever come.
   */
  readonly failed: Promise<never>;
  /** Resolves when it is ready: for one that does not die. */
  ready(): Promise<void>;
  /** From now on it lives. Resolves when it is ready. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

interface Life {
  readonly env: Readonly<Record<string, string>>;
  /** Killed from outside after this time; undefined: it dies by itself. */
  readonly killAfterMs: number | undefined;
}

interface Options {
  /** Of its log. */
  readonly label: string;
  readonly name: 'api' | 'workers';
  readonly program: string;
  readonly portVariable: 'MSQPAY_PORT' | 'MSQPAY_WORKERS_PORT';
  readonly home: ProcessHome;
  /** undefined: it has died often enough, and lives from now on. */
  readonly nextLife: () => Life | undefined;
}

/** What all processes of the server share. */
export interface ProcessHome {
  readonly environment: (overrides: Readonly<Record<string, string>>) => NodeJS.ProcessEnv;
  /** Where their logs are kept; undefined: they are not. */
  readonly logs: string | undefined;
}

/** Passed once a transaction; the others are passed once a payment or oftener. */
const RARE_POINTS: ReadonlySet<CrashPoint> = new Set([
  'beforeSave',
  'afterSaveBeforeSend',
  'afterSendBeforeMark',
  'afterMark',
]);

/** Many times what a start takes on a machine with little else to do. */
const READY_MS = 3 * 60_000;

/** How long a crash point may not be reached before the process is killed wherever it is. */
const LONGEST_LIFE_MS = 12_000;

/** @param deaths how many it dies, if the test lasts that long */
export function startMortalApi(
  home: ProcessHome,
  random: Random,
  deaths: number,
): Promise<MortalProcess> {
  let lives = 0;
  const nextLife = () =>
    lives++ < deaths ? { env: {}, killAfterMs: random.between(2_000, 9_000) } : undefined;
  return startMortal({
    label: 'api',
    name: 'api',
    program: 'api/main.ts',
    portVariable: 'MSQPAY_PORT',
    home,
    nextLife,
  });
}

/** Dies at one crash point after the other, each after a random number of times. */
export function startMortalWorkers(
  home: ProcessHome,
  random: Random,
  deaths: number,
  label: string,
): Promise<MortalProcess> {
  let turn = random.between(0, CRASH_POINTS.length - 1);
  let lives = 0;
  const nextLife = () => {
    if (lives++ >= deaths) return undefined;
    const point = CRASH_POINTS[turn++ % CRASH_POINTS.length] as CrashPoint;
    return {
      env: { [CRASH_VARIABLE]: `${point}:${random.between(1, RARE_POINTS.has(point) ? 2 : 6)}` },
      killAfterMs: undefined,
    };
  };
  return startMortal({
    label,
    name: 'workers',
    program: 'test/chaos/processes/crashingWorkers.ts',
    portVariable: 'MSQPAY_WORKERS_PORT',
    home,
    nextLife,
  });
}

async function startMortal(options: Options): Promise<MortalProcess> {
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const { environment, logs } = options.home;
  const scratch =
    logs === undefined ? mkdtempSync(join(tmpdir(), `msqpay-chaos-${options.name}-`)) : undefined;
  const logPath = join(logs ?? scratch ?? '', `${options.label}.log`);
  const deaths = new Map<string, number>();
  let isMortal = true;
  let current: ManagedProcess | undefined;

  async function start(env: Readonly<Record<string, string>>): Promise<ManagedProcess> {
    return startProcess({
      name: options.name,
      command: process.execPath,
      args: programArguments(options.program),
      cwd: PROJECT_ROOT,
      env: environment({
        [options.portVariable]: String(port),
        ...(logs === undefined ? {} : { MSQPAY_LOG_LEVEL: 'info' }),
        ...env,
      }),
      logPath,
      readyTimeoutMs: READY_MS,
      // It may die before it is ready, which is a death like any other.
      isReady: () => true,
    });
  }

  async function isReady(): Promise<boolean> {
    const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(1_000) }).catch(
      () => undefined,
    );
    // 503 while the database is away is life, too.
    return answer !== undefined;
  }

  async function waitUntilReady(): Promise<void> {
    const deadline = Date.now() + READY_MS;
    for (;;) {
      const answer = await fetch(`${url}/healthz`).catch(() => undefined);
      if (answer?.ok === true) return;
      if (Date.now() > deadline)
        throw new Error(`${options.name} does not become ready:\n${tail(logPath)}`);
      await sleep(100);
    }
  }

  const living = (async () => {
    while (isMortal) {
      const life = options.nextLife();
      current = await start(life?.env ?? {});
      // A slow start is not a life: on a busy machine there would be nothing but starts.
      while (current.isRunning() && isMortal && !(await isReady())) await sleep(50);
      const bornAt = Date.now();
      while (current.isRunning() && isMortal && Date.now() - bornAt < longestLifeMs(life))
        await sleep(20);
      if (!isMortal) break;
      const cause = current.isRunning() ? 'killed from outside' : lastWords(logPath);
      if (current.isRunning()) await current.kill('SIGKILL');
      if (cause === undefined)
        throw new Error(`${options.name} ended by itself:\n${tail(logPath)}`);
      deaths.set(cause, (deaths.get(cause) ?? 0) + 1);
    }
  })();
  const failed = new Promise<never>((_, reject) => void living.catch(reject));
  // Told to whoever waits for it, settles or closes it.
  failed.catch(() => undefined);

  return {
    url,
    deaths,
    failed,
    ready: waitUntilReady,
    async settle() {
      isMortal = false;
      await living;
      if (current?.isRunning() === true) await current.kill('SIGKILL');
      current = await start({});
      await waitUntilReady();
    },
    async close() {
      isMortal = false;
      await living.catch(() => undefined);
      if (current?.isRunning() === true) await current.stop();
      if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
    },
  };
}

function longestLifeMs(life: Life | undefined): number {
  return life === undefined ? Number.POSITIVE_INFINITY : (life.killAfterMs ?? LONGEST_LIFE_MS);
}

function tail(logPath: string): string {
  return readFileSync(logPath, 'utf8').slice(-4_000);
}

/** Where it says that it died; undefined when it does not. */
function lastWords(logPath: string): string | undefined {
  return /crashed at (\w+)\s*$/.exec(tail(logPath).trimEnd())?.[1];
}
