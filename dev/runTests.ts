import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { availableParallelism, constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';

import { PROJECT_ROOT } from '../platform/projectRoot.ts';
import { COMPILED_TESTS, compileTests } from './compileTests.ts';
import type { DatabaseKind } from './database/engine.ts';
import { readReapedCpuSeconds } from './readReapedCpuSeconds.ts';
import { mayShareStack } from './sharedStack.ts';
import {
  ALONE,
  chooseTasks,
  describeDurations,
  limitMsOf,
  longestFirst,
  ON_MYSQL,
  QUICK,
  SIDE_BY_SIDE,
  type Duration,
  type Part,
  type Task,
} from './testTasks.ts';
import { leaveOut } from './testTools.ts';

/**
 * `npm test`: the checks, and every suite against real services, each in a mocha process of its
 * own. Ends with a line `N passed, N failed`. `npm test -- 'test/relay/*.test.ts' …` runs only
 * those files.
 *
 * Part of it is run once more on a real MySQL server. `npm run test:mysql` is `npm test --
 * --database mysql`: every suite, or only the files that are named, on MySQL alone.
 *
 * `npm run test:quick` is `--quick`: files that wait for no block and no crash. `--without mysql`
 * leaves out what needs that tool (dev/testTools.ts).
 *
 * `npm test -- --part 2/3` is the second of three parts, for a machine each: together they are `npm
 * test`. `--lanes 3`: how many suites are run beside each other, one more than there are cores
 * unless it says otherwise; the checks go beside them.
 *
 * Each mocha process has a stack of its own, so that a suite that kills and restarts services
 * cannot disturb another one's.
 */
/**
 * After its last test a mocha process that does not end by itself has left something open: a
 * defect.
 */
const LEFTOVER_LIMIT_MS = 20_000;

const resultSchema = z.object({
  passed: z.number(),
  pending: z.number(),
  failures: z.array(z.object({ title: z.string(), message: z.string() })),
  isOver: z.boolean(),
  leftOpen: z.string().optional(),
});

const mocharcSchema = z.object({ timeout: z.number(), require: z.array(z.string()) });

interface Outcome {
  readonly passed: number;
  readonly failures: readonly { readonly title: string; readonly message: string }[];
}

let mysqlMissing: Promise<string | undefined> | undefined;

const running = new Set<ChildProcess>();
let isStopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    isStopping = true;
    // What mocha started ends with it (dev/childProcess.ts). The next suite is not begun.
    for (const child of running) child.kill('SIGTERM');
    setTimeout(() => {
      for (const child of running) child.kill('SIGKILL');
      process.exit(130);
    }, 3_000).unref();
  });
}

const { values, positionals: chosen } = parseArgs({
  options: {
    database: { type: 'string' },
    without: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    part: { type: 'string', default: '1/1' },
    lanes: { type: 'string', default: String(availableParallelism() + 1) },
  },
  allowPositionals: true,
});
const database = parseKind(values.database);
const optionalTools = parseWithout(values.without);
const part = parsePart(values.part);
const lanes = parseLanes(values.lanes);
if (database === 'mysql' && optionalTools.includes('mysql')) {
  console.error('--database mysql and --without mysql contradict each other');
  process.exit(2);
}
if (values.quick && chosen.length > 0) {
  console.error('--quick is a choice of files by itself: name none besides');
  process.exit(2);
}
let leftOut: readonly string[] = [];
const scratch = mkdtempSync(join(tmpdir(), 'msqpay-test-'));
const startedAt = Date.now();
const compiling = compileTests();
// Whoever needs it is told; with nobody there it would end the process.
compiling.catch(() => undefined);
const durations: Duration[] = [];
let reapedCpuSeconds = 0;
let passed = 0;
const failures: { title: string; message: string }[] = [];

if (chosen.length > 0) {
  if (part.of > 1) {
    console.error('--part is for all suites, and not for files that are named');
    process.exit(2);
  }
  await perform(onDatabase({ name: chosen.join(' '), files: chosen, usualSeconds: 0 }), 'live');
} else if (values.quick) {
  await perform(onDatabase(QUICK), 'live');
} else {
  const wanted = leaveOut(
    [
      ...SIDE_BY_SIDE.map(onDatabase),
      ...(database === undefined ? [ON_MYSQL] : []),
      ...ALONE.map(onDatabase),
    ],
    optionalTools,
  );
  leftOut = wanted.leftOut;
  const tasks = chooseTasks(wanted.tasks, part);
  const names = new Set(ALONE.map((task) => task.name));
  const sideBySide = tasks.filter((task) => !names.has(task.name));
  const waiting = longestFirst(sideBySide.filter(({ isPatient }) => isPatient !== true));
  const workThrough = async () => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift())
      await perform(task, 'atItsEnd');
  };
  // What is patient takes no lane: it does little in one while the others are busy.
  const patient = sideBySide
    .filter(({ isPatient }) => isPatient === true)
    .map((task) => perform(task, 'atItsEnd'));
  await Promise.all([...patient, ...Array.from({ length: lanes }, workThrough)]);
  for (const task of tasks.filter((candidate) => names.has(candidate.name)))
    await perform(task, 'live');
}
rmSync(scratch, { recursive: true, force: true });
if (isStopping) process.exit(130);

if (failures.length > 0) {
  console.log('\nFailed:');
  for (const { title, message } of failures) console.log(`\n- ${title}\n${indent(message)}`);
}
for (const line of leftOut) console.log(`\n${line}`);
console.log(part.of === 1 ? '' : `\nPart ${part.number} of ${part.of}`);
const totalSeconds = (Date.now() - startedAt) / 1000;
for (const line of describeDurations(durations, totalSeconds)) console.log(line);
console.log(`\n${secondsSince(startedAt)} s`);
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);

function parseKind(text: string | undefined): DatabaseKind | undefined {
  if (text === undefined || text === 'mariadb' || text === 'mysql') return text;
  console.error(`--database may be mariadb or mysql, not ${text}`);
  process.exit(2);
}

/** A wrong name is told before anything runs. */
function parseWithout(names: readonly string[]): readonly string[] {
  try {
    leaveOut([], names);
    return names;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  }
}

function parseLanes(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text);
  console.error(`--lanes is how many suites are run beside each other, such as 2, not ${text}`);
  process.exit(2);
}

function parsePart(text: string): Part {
  const [, number, of] = /^([1-9]\d?)\/([1-9]\d?)$/.exec(text) ?? [];
  if (number !== undefined && of !== undefined && Number(number) <= Number(of))
    return { number: Number(number), of: Number(of) };
  console.error(`--part is a number of a part and how many there are, such as 1/3, not ${text}`);
  process.exit(2);
}

function onDatabase(task: Task): Task {
  return database === undefined ? task : { ...task, database };
}

/** Of what runs side by side, the output is shown in one piece, at its end. */
type Show = 'live' | 'atItsEnd';

async function perform(task: Task, show: Show): Promise<void> {
  if (isStopping) return;
  console.log(
    show === 'live' ? `\n=== ${task.name}` : `${secondsSince(startedAt)} s: ${task.name} …`,
  );
  const taskStartedAt = Date.now();
  const { outcome, output, cpuSeconds } = await runTask(task, show).catch((error: unknown) => {
    // The suite beside it must not be left running without anybody who waits for it.
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      outcome: { passed: 0, failures: [{ title: task.name, message }] },
      output: '',
      cpuSeconds: undefined,
    };
  });
  if (show === 'atItsEnd')
    console.log(`\n=== ${task.name} (${secondsSince(taskStartedAt)} s)\n${output}`);
  durations.push({
    name: task.name,
    seconds: (Date.now() - taskStartedAt) / 1000,
    cpuSeconds,
    passed: outcome.passed,
  });
  passed += outcome.passed;
  failures.push(...outcome.failures);
}

interface Finished {
  readonly outcome: Outcome;
  readonly output: string;
  readonly cpuSeconds: number | undefined;
}

function runTask(task: Task, show: Show): Promise<Finished> {
  return task.files === undefined
    ? runChecks(task, show)
    : runSuite({ ...task, files: task.files }, show);
}

async function runChecks(task: Task, show: Show): Promise<Finished> {
  const options = { show, limitMs: limitMsOf(task), isPatient: task.isPatient };
  const { code, output, cpuSeconds } = await run(process.execPath, ['dev/runChecks.mjs'], options);
  const failed = [{ title: task.name, message: `npm run check ended with ${code}; see above` }];
  return {
    outcome: code === 0 ? { passed: 1, failures: [] } : { passed: 0, failures: failed },
    output,
    cpuSeconds,
  };
}

async function runSuite(
  suite: Task & { readonly files: readonly string[] },
  show: Show,
): Promise<Finished> {
  // Mocha passes over a name without a file as long as another one has one.
  const absent = suite.files.filter(
    (file) => !file.includes('*') && !existsSync(join(PROJECT_ROOT, file)),
  );
  if (absent.length > 0) return failedBefore(suite, `there is no file ${absent.join(', nor ')}`);
  const missing = suite.database === 'mysql' ? await obtainMysql() : undefined;
  if (missing !== undefined) return failedBefore(suite, missing);
  await compiling;
  const resultPath = join(scratch, `${suite.name.replace(/\W+/g, '-').slice(0, 100)}.json`);
  const { code, output, cpuSeconds } = await run(process.execPath, mochaArguments(suite.files), {
    show,
    limitMs: limitMsOf(suite),
    isPatient: suite.isPatient,
    env: {
      ...describeDatabase(suite.database),
      TEST_RESULT_PATH: resultPath,
      TEST_SHARED_STACK: String(isStackShared(suite)),
    },
    resultPath,
  });
  return { outcome: readOutcome(suite, resultPath, code), output, cpuSeconds };
}

/** What .mocharc.json says for the sources, for what was compiled of them. */
function mochaArguments(files: readonly string[]): string[] {
  // Not bin/mocha.js: for the node-option in .mocharc.json that one starts a process of its own,
  // which no signal to its parent would reach.
  const mocha = [
    'node_modules/mocha/lib/cli/cli.js',
    '--reporter',
    join(PROJECT_ROOT, 'test', 'support', 'countingReporter.mjs'),
  ];
  const { timeout, require } = mocharcSchema.parse(
    JSON.parse(readFileSync(join(PROJECT_ROOT, '.mocharc.json'), 'utf8')),
  );
  const inCompiled = (file: string) => join(COMPILED_TESTS, file.replace(/\.ts$/, '.js'));
  const settings = [
    '--no-config',
    '--extension',
    'js',
    '--timeout',
    String(timeout),
    ...require.flatMap((file) => ['--require', inCompiled(file)]),
  ];
  return [...mocha, ...settings, ...files.map(inCompiled)];
}

function failedBefore({ name }: Task, message: string): Finished {
  return {
    outcome: { passed: 0, failures: [{ title: name, message }] },
    output: '',
    cpuSeconds: undefined,
  };
}

/**
 * Before a suite's clock runs: it may have to be downloaded. @returns why there is none, or
 * undefined when there is one
 */
function obtainMysql(): Promise<string | undefined> {
  const tell = (message: string) => console.log(`${secondsSince(startedAt)} s: ${message}`);
  const start = async () => {
    const { startDatabase } = await import('./database/startDatabase.ts');
    return startDatabase({
      dataDir: join(scratch, 'mysql'),
      logPath: join(scratch, 'mysql.log'),
      kind: 'mysql',
      onProgress: tell,
    });
  };
  mysqlMissing ??= start().then(
    (server) => server.close().then(() => undefined),
    (error: unknown) =>
      `${error instanceof Error ? error.message : String(error)}\nTo leave it out knowingly: npm test -- --without mysql`,
  );
  return mysqlMissing;
}

/**
 * Where a kind is asked for, the stack starts a server of its own rather than use the one of
 * DATABASE_URL.
 */
function describeDatabase(kind: DatabaseKind | undefined): NodeJS.ProcessEnv {
  return kind === undefined ? {} : { DEV_DATABASE: kind, DATABASE_URL: '' };
}

/**
 * Files that are named use what `npm run stack` keeps, if it runs; a whole suite has its own, as
 * have those who ask for a server of their choice.
 */
function isStackShared({ files = [] }: Task): boolean {
  const isServerChosen = ['DEV_DATABASE', 'DATABASE_URL', 'REDIS_URL'].some(
    (name) => (process.env[name] ?? '') !== '',
  );
  const isOfFiles = values.quick || (chosen.length > 0 && mayShareStack(files));
  return isOfFiles && database === undefined && !isServerChosen;
}

function readOutcome(suite: Task, resultPath: string, code: number | string): Outcome {
  const result = existsSync(resultPath)
    ? resultSchema.parse(JSON.parse(readFileSync(resultPath, 'utf8')))
    : undefined;
  if (result === undefined)
    return {
      passed: 0,
      failures: [{ title: suite.name, message: `no test was executed (mocha ended with ${code})` }],
    };
  const extra: { title: string; message: string }[] = [];
  if (result.pending > 0)
    extra.push({ title: suite.name, message: `${result.pending} tests were skipped` });
  if (result.passed + result.failures.length === 0)
    extra.push({ title: suite.name, message: 'no test was executed' });
  if (!result.isOver)
    extra.push({ title: suite.name, message: `mocha ended with ${code} before its last test did` });
  else if (code !== 0 && result.failures.length === 0)
    extra.push({
      title: suite.name,
      message: `all tests passed, but mocha ended with ${code}: ${result.leftOpen ?? 'not known what'}`,
    });
  return { passed: result.passed, failures: [...result.failures, ...extra] };
}

interface Run {
  /** The exit code, or what ended it. */
  readonly code: number | string;
  /** Empty when it was shown live. */
  readonly output: string;
  /** Of a core, for it and what it started; undefined where the system does not tell. */
  readonly cpuSeconds: number | undefined;
}

interface RunOptions {
  readonly show: Show;
  readonly limitMs: number;
  readonly isPatient: boolean | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Where a mocha process tells when its last test is over. */
  readonly resultPath?: string;
}

function run(command: string, args: readonly string[], options: RunOptions): Promise<Run> {
  return new Promise((resolve, reject) => {
    const stream = options.show === 'live' ? 'inherit' : 'pipe';
    const child = spawn(command, args, {
      cwd: PROJECT_ROOT,
      stdio: ['ignore', stream, stream],
      env: { ...process.env, ...options.env },
    });
    running.add(child);
    // What it starts is as patient.
    if (options.isPatient === true && child.pid !== undefined)
      setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
    let output = '';
    for (const source of [child.stdout, child.stderr])
      source?.setEncoding('utf8').on('data', (text: string) => (output += text));
    let reason: string | undefined;
    const end = (why: string) => {
      reason ??= why;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 5_000).unref();
    };
    const limit = setTimeout(
      () => end(`a time limit of ${options.limitMs / 1000} s`),
      options.limitMs,
    );
    let overSince: number | undefined;
    const watch = setInterval(() => {
      if (
        options.resultPath === undefined ||
        !existsSync(options.resultPath) ||
        !isOver(options.resultPath)
      )
        return;
      overSince ??= Date.now();
      if (Date.now() - overSince > LEFTOVER_LIMIT_MS) end('something that it had left open');
    }, 1_000);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const cpuSeconds = countReaped();
      clearTimeout(limit);
      clearInterval(watch);
      running.delete(child);
      const finish = () =>
        resolve({ code: reason ?? code ?? signal ?? 'nothing', output, cpuSeconds });
      child.once('close', finish);
      // A process that it left behind may hold its output open for ever.
      setTimeout(finish, 2_000).unref();
    });
  });
}

/** What was reaped since it was asked last, which is at every end of a task. */
function countReaped(): number | undefined {
  const seconds = readReapedCpuSeconds();
  const since = seconds === undefined ? undefined : seconds - reapedCpuSeconds;
  reapedCpuSeconds = seconds ?? 0;
  return since;
}

function isOver(resultPath: string): boolean {
  try {
    return resultSchema.parse(JSON.parse(readFileSync(resultPath, 'utf8'))).isOver;
  } catch {
    // Read while it was being written: the next look will do.
    return false;
  }
}

function secondsSince(startMs: number): string {
  return ((Date.now() - startMs) / 1000).toFixed(0);
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}
