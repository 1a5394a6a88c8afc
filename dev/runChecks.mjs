// `npm run check`: everything that can be said about the code without running it. All checks run,
// even when one fails.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ensurePackages } from './bootstrap.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
await ensurePackages();

const scratch = mkdtempSync(join(tmpdir(), 'msqpay-check-'));
const generated = join(scratch, 'openapi.ts');
const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Name, command, arguments; `then` has the last word on success. */
const checks = [
  { name: 'types', command: bin('tsc'), args: ['--noEmit', '-p', 'tsconfig.json'] },
  { name: 'lint', command: bin('eslint'), args: ['.', '--max-warnings', '0'] },
  {
    name: 'boundaries',
    command: bin('depcruise'),
    args: [
      '--config',
      '.dependency-cruiser.cjs',
      'api',
      'workers',
      'cli',
      'domain',
      'adapters',
      'platform',
      'shared',
      'contracts',
      'db',
      'dev',
      'simulators',
      'demo',
    ],
  },
  { name: 'unused code', command: bin('knip'), args: ['--no-progress'] },
  { name: 'format', command: bin('prettier'), args: ['--check', '--log-level', 'warn', '.'] },
  { name: 'openapi.yaml', command: bin('redocly'), args: ['lint', 'openapi.yaml'] },
  {
    name: 'openapi.yaml is what its parts make',
    command: process.execPath,
    args: ['--import', 'tsx', 'dev/openapi/main.ts', '--check'],
  },
  {
    name: 'types from openapi.yaml are current',
    command: bin('openapi-typescript'),
    args: ['openapi.yaml', '--default-non-nullable', 'false', '-o', generated],
    then: () =>
      readFileSync(generated, 'utf8') ===
        readFileSync(join(root, 'api/generated/openapi.ts'), 'utf8') || 'run npm run openapi',
  },
  {
    name: 'compiled contracts are current',
    command: process.execPath,
    args: ['--import', 'tsx', 'contracts/build.ts', '--check'],
  },
];

const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) child.kill();
    rmSync(scratch, { recursive: true, force: true });
    process.exit(130);
  });
}

const startedAt = Date.now();
let failed = 0;
const queue = [...checks];
// Two at a time: more would only wait for each other on a small machine.
await Promise.all([work(), work()]);
rmSync(scratch, { recursive: true, force: true });
console.log(
  `${checks.length - failed} of ${checks.length} checks passed in ${((Date.now() - startedAt) / 1000).toFixed(0)} s`,
);
process.exit(failed === 0 ? 0 : 1);

async function work() {
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
    const { code, output } = await run(check.command, check.args);
    const verdict = code === 0 ? (check.then?.() ?? true) : output;
    if (verdict === true) {
      console.log(`ok    ${check.name}`);
    } else {
      failed++;
      console.log(`FAIL  ${check.name}\n${String(verdict).trim().replace(/^/gm, '      ')}`);
    }
  }
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NO_COLOR: '1',
        REDOCLY_TELEMETRY: 'off',
        REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
      },
    });
    running.add(child);
    child.on('exit', () => running.delete(child));
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ code: 1, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}
