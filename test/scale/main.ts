import { parseArgs } from 'node:util';

import { closeStack } from '../support/stack.ts';
import { examine } from './examine.ts';
import { EXCEPTIONS } from './exceptions.ts';

/**
 * `npm run scale -- --payments 1000000`: every statement of a hot path, with its plan, what it
 * reads and how long it takes; ends with 1 on a complaint.
 */
const { values } = parseArgs({ options: { payments: { type: 'string', default: '1000000' } } });
const payments = Number(values.payments);
if (!Number.isSafeInteger(payments) || payments < 1_000) {
  console.error('--payments is a whole number of at least 1000');
  process.exit(2);
}
const startedAt = Date.now();
const onProgress = (message: string) =>
  console.log(`${String(Math.round((Date.now() - startedAt) / 1000)).padStart(5)} s  ${message}`);
try {
  const findings = await examine(payments, EXCEPTIONS, onProgress);
  console.log('\n    ms   reads    rows  statement');
  for (const { ms, reads, rows, during, shape, plan, complaint } of [...findings].sort(
    (a, b) => b.reads - a.reads,
  )) {
    const figures = [
      ms.toFixed(1).padStart(6),
      String(reads).padStart(7),
      String(rows).padStart(7),
    ].join(' ');
    console.log(
      `${figures}  ${during}: ${shape}\n${' '.repeat(24)}${plan.join('; ')}${complaint === undefined ? '' : `\n  !!! ${complaint}`}`,
    );
  }
  const complaints = findings.filter(({ complaint }) => complaint !== undefined).length;
  console.log(
    `\n${findings.length} statements beside ${payments} payments, ${complaints} of them with a complaint`,
  );
  process.exitCode = complaints === 0 ? 0 : 1;
} finally {
  await closeStack();
}
