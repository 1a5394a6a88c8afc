import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

import { closeStack } from '../support/stack.ts';
import { formatReport } from './formatReport.ts';
import { runChaos } from './runChaos.ts';

/** `npm run chaos -- --seed N [--payments 500]`: prints the report; ends with 1 when a promise was broken. */
/** With two workers processes: each crash point is met more than once. */
const DEATHS = 12;

const { values } = parseArgs({ options: { seed: { type: 'string' }, payments: { type: 'string', default: '500' } } });
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const payments = Number(values.payments);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(payments) || payments < 20) {
  console.error('--seed is a whole number, --payments one of at least 20');
  process.exit(2);
}
const startedAt = Date.now();
const onProgress = (message: string) => console.log(`${String(Math.round((Date.now() - startedAt) / 1000)).padStart(5)} s  ${message}`);
console.log(`chaos with seed ${seed}: npm run chaos -- --seed ${seed} --payments ${payments}`);
try {
  const report = await runChaos({ seed, payments, deaths: DEATHS, onProgress });
  console.log(`\n${formatReport(report)}`);
  process.exitCode = report.breaches.length === 0 ? 0 : 1;
} finally {
  await closeStack();
}
