import mocha from 'mocha';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const { Spec } = mocha.reporters;

/** What is open so long after the last test was left open. Shorter than dev/runTests.ts waits. */
const LOOK_MS = 10_000;

/**
 * Mocha's spec reporter, which also writes what happened to the file that TEST_RESULT_PATH names,
 * for dev/runTests.ts.
 */
export default class CountingReporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    const failures = [];
    let passed = 0;
    let pending = 0;
    const write = (isOver, leftOpen) => {
      const path = process.env.TEST_RESULT_PATH;
      if (path)
        writeFileSync(path, JSON.stringify({ passed, pending, failures, isOver, leftOpen }));
    };
    runner.on('pass', () => {
      passed++;
      write(false);
    });
    runner.on('pending', () => {
      pending++;
      write(false);
    });
    runner.on('fail', (test, error) => {
      if (typeof error?.stack === 'string') error.stack = nameSources(error.stack);
      failures.push({ title: test.fullTitle(), message: error?.stack ?? String(error) });
      write(false);
    });
    runner.on('end', () => {
      write(true);
      setTimeout(() => write(true, describeOpen()), LOOK_MS).unref();
    });
  }
}

/**
 * What keeps this process from ending: kinds of resources, with the addresses of sockets and the
 * pids of children.
 */
function describeOpen() {
  // Node has no public way to ask what a handle is of; its kinds alone do not tell whose they are.
  const handles = process._getActiveHandles().map((handle) => {
    const name = handle.constructor?.name ?? typeof handle;
    if (handle.pid !== undefined)
      return `${name} ${handle.pid} ${(handle.spawnargs ?? []).join(' ').slice(0, 200)}`;
    if (handle.fd !== undefined && handle.fd <= 2) return `${name} fd ${handle.fd}`;
    if (handle.remotePort !== undefined)
      return `${name} :${handle.localPort} to :${handle.remotePort}`;
    const address = typeof handle.address === 'function' ? handle.address() : undefined;
    return address?.port === undefined ? name : `${name} at :${address.port}`;
  });
  return [...process.getActiveResourcesInfo(), ...handles].join(', ');
}

/**
 * Where tests are run from what was compiled, a stack names the lines of that. This is done here,
 * when a test has failed, since with `--enable-source-maps` every process reads the maps of every
 * package as well.
 */
function nameSources(stack) {
  return stack.replace(
    /(?:file:\/\/)?(\/[^\s():]+\.js):(\d+):(\d+)/g,
    (place, path, line, column) => {
      const mapPath = `${path}.map`;
      if (path.includes('/node_modules/') || !existsSync(mapPath)) return place;
      const { originalSource, originalLine, originalColumn } = new SourceMap(
        JSON.parse(readFileSync(mapPath, 'utf8')),
      ).findEntry(Number(line) - 1, Number(column) - 1);
      if (originalSource === undefined) return place;
      return `${relative(process.cwd(), fileURLToPath(new URL(originalSource, `file://${mapPath}`)))}:${originalLine + 1}:${originalColumn + 1}`;
    },
  );
}
