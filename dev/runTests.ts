import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

import { PROJECT_ROOT } from '../platform/projectRoot.ts';

/**
 * `npm test`: the checks, then every suite against real services, one mocha process after the other. Ends with a line `N passed, N failed`.
 * `npm test -- 'test/relay/*.test.ts' …` runs only those files.
 *
 * Each mocha process has a stack of its own, so that a suite that kills and restarts services cannot disturb another one's.
 */
interface Suite {
  readonly name: string;
  readonly files: readonly string[];
  /** After this it is ended, and counts as failed. */
  readonly limitMs: number;
}

const SUITES: readonly Suite[] = [
  { name: 'contracts', files: ['contracts/test/**/*.test.ts'], limitMs: 3 * 60_000 },
  { name: 'unit', files: ['test/unit/**/*.test.ts', 'test/dev/**/*.test.ts'], limitMs: 3 * 60_000 },
  { name: 'adapters', files: ['test/adapters/**/*.test.ts', 'test/webhooks/**/*.test.ts'], limitMs: 3 * 60_000 },
  { name: 'domain', files: ['test/payments/**/*.test.ts', 'test/relay/**/*.test.ts', 'test/refunds/**/*.test.ts'], limitMs: 5 * 60_000 },
  { name: 'api', files: ['test/api/**/*.test.ts'], limitMs: 4 * 60_000 },
  { name: 'workers and demo', files: ['test/workers/**/*.test.ts', 'test/demo/**/*.test.ts'], limitMs: 4 * 60_000 },
  { name: 'end to end', files: ['test/e2e/**/*.test.ts'], limitMs: 6 * 60_000 },
  { name: 'chaos', files: ['test/chaos/**/*.test.ts'], limitMs: 5 * 60_000 },
];

/** After its last test a mocha process that does not end by itself has left something open: a defect. */
const LEFTOVER_LIMIT_MS = 20_000;

const resultSchema = z.object({
  passed: z.number(),
  pending: z.number(),
  failures: z.array(z.object({ title: z.string(), message: z.string() })),
  isOver: z.boolean(),
});

interface Outcome {
  readonly passed: number;
  readonly failures: readonly { readonly title: string; readonly message: string }[];
}

let running: ChildProcess | undefined;
let isStopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    isStopping = true;
    // What mocha started ends with it (dev/childProcess.ts). The next suite is not begun.
    running?.kill('SIGTERM');
    setTimeout(() => {
      running?.kill('SIGKILL');
      process.exit(130);
    }, 3_000).unref();
  });
}

const chosen = process.argv.slice(2);
const scratch = mkdtempSync(join(tmpdir(), 'msqpay-test-'));
const startedAt = Date.now();
let passed = 0;
const failures: { title: string; message: string }[] = [];

if (chosen.length === 0) {
  const code = await run(process.execPath, ['dev/runChecks.mjs'], { limitMs: 4 * 60_000 });
  if (code === 0) passed++;
  else failures.push({ title: 'npm run check', message: `ended with ${code}; see above` });
}
const suites = chosen.length === 0 ? SUITES : [{ name: chosen.join(' '), files: chosen, limitMs: 10 * 60_000 }];
for (const suite of suites) {
  if (isStopping) break;
  const outcome = await runSuite(suite);
  passed += outcome.passed;
  failures.push(...outcome.failures);
}
rmSync(scratch, { recursive: true, force: true });
if (isStopping) process.exit(130);

if (failures.length > 0) {
  console.log('\nFailed:');
  for (const { title, message } of failures) console.log(`\n- ${title}\n${indent(message)}`);
}
console.log(`\n${((Date.now() - startedAt) / 1000).toFixed(0)} s`);
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);

async function runSuite(suite: Suite): Promise<Outcome> {
  console.log(`\n=== ${suite.name}`);
  const resultPath = join(scratch, `${suite.name.replace(/\W+/g, '-').slice(0, 100)}.json`);
  const reporter = join(PROJECT_ROOT, 'test', 'support', 'countingReporter.mjs');
  // Not bin/mocha.js: for the node-option in .mocharc.json that one starts a process of its own, which no signal to its parent would reach.
  const code = await run(
    process.execPath,
    ['--import', 'tsx', 'node_modules/mocha/lib/cli/cli.js', '--reporter', reporter, ...suite.files],
    {
      limitMs: suite.limitMs,
      resultPath,
    },
  );
  const result = existsSync(resultPath) ? resultSchema.parse(JSON.parse(readFileSync(resultPath, 'utf8'))) : undefined;
  if (result === undefined)
    return { passed: 0, failures: [{ title: suite.name, message: `no test was executed (mocha ended with ${code})` }] };
  const extra: { title: string; message: string }[] = [];
  if (result.pending > 0) extra.push({ title: suite.name, message: `${result.pending} tests were skipped` });
  if (result.passed + result.failures.length === 0) extra.push({ title: suite.name, message: 'no test was executed' });
  if (!result.isOver) extra.push({ title: suite.name, message: `mocha ended with ${code} before its last test did` });
  else if (code !== 0 && result.failures.length === 0)
    extra.push({ title: suite.name, message: `all tests passed, but mocha ended with ${code}` });
  return { passed: result.passed, failures: [...result.failures, ...extra] };
}

/** @returns the exit code, or what ended it */
function run(command: string, args: readonly string[], options: { limitMs: number; resultPath?: string }): Promise<number | string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: PROJECT_ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...(options.resultPath === undefined ? {} : { TEST_RESULT_PATH: options.resultPath }) },
    });
    running = child;
    let reason: string | undefined;
    const end = (why: string) => {
      reason ??= why;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 5_000).unref();
    };
    const limit = setTimeout(() => end(`a time limit of ${options.limitMs / 1000} s`), options.limitMs);
    let overSince: number | undefined;
    const watch = setInterval(() => {
      if (options.resultPath === undefined || !existsSync(options.resultPath) || !isOver(options.resultPath)) return;
      overSince ??= Date.now();
      if (Date.now() - overSince > LEFTOVER_LIMIT_MS) end('something that it had left open');
    }, 1_000);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(limit);
      clearInterval(watch);
      resolve(reason ?? code ?? signal ?? 'nothing');
    });
  });
}

function isOver(resultPath: string): boolean {
  try {
    return resultSchema.parse(JSON.parse(readFileSync(resultPath, 'utf8'))).isOver;
  } catch {
    // Read while it was being written: the next look will do.
    return false;
  }
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}
