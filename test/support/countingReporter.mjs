import mocha from 'mocha';
import { writeFileSync } from 'node:fs';

const { Spec } = mocha.reporters;

/** Mocha's spec reporter, which also writes what happened to the file that TEST_RESULT_PATH names, for dev/runTests.ts. */
export default class CountingReporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    const failures = [];
    let passed = 0;
    let pending = 0;
    const write = (isOver) => {
      const path = process.env.TEST_RESULT_PATH;
      if (path) writeFileSync(path, JSON.stringify({ passed, pending, failures, isOver }));
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
      failures.push({ title: test.fullTitle(), message: error?.stack ?? String(error) });
      write(false);
    });
    runner.on('end', () => write(true));
  }
}
