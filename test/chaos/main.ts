import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

import { closeStack } from '../support/stack.ts';
import { formatReport } from './formatReport.ts';
import { LIE_KINDS } from './nodes/lies.ts';
import { runChaos } from './runChaos.ts';
import { runHostilePair, TOLERATED_SLOWDOWN } from './runHostilePair.ts';

/** With two workers processes: each crash point is met more than once. */
const DEATHS = 12;

const USAGE = `npm run chaos -- [--seed N] [--payments 500] [--deaths ${DEATHS}] [--calm] [--short] [--logs DIR]
                 [--lies ${LIE_KINDS.join(',')}]
npm run chaos -- --hostile-pair [--seed N] [--payments 500] [--flood 2000] [--logs DIR]
Prints a report; ends with 1 when a promise was broken.
  --lies          only these
  --logs DIR      keep the logs of the server's processes there, and what the database holds in the end
  --calm          beside the lies only reorganisations, and nobody dies
  --short         without what takes long by itself, as in npm test
  --hostile-pair  the same payments without and with hostile payers and hostile stores that have --flood requests waiting; ends with 1 when they take more than ${TOLERATED_SLOWDOWN} times as long`;

function fail(): never {
  console.error(USAGE);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    payments: { type: 'string', default: '500' },
    deaths: { type: 'string', default: String(DEATHS) },
    lies: { type: 'string', default: LIE_KINDS.join(',') },
    logs: { type: 'string' },
    calm: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    flood: { type: 'string', default: '2000' },
    'hostile-pair': { type: 'boolean', default: false },
  },
});
const [seed, payments, deaths, flood] = [
  values.seed,
  values.payments,
  values.deaths,
  values.flood,
].map(Number) as [number, number, number, number];
if (
  ![seed, payments, deaths, flood].every((number) => Number.isSafeInteger(number) && number >= 0) ||
  payments < 20
)
  fail();
const lies = values.lies
  .split(',')
  .map((name) => LIE_KINDS.find((kind) => kind === name) ?? fail());

const startedAt = Date.now();
const onProgress = (message: string) =>
  console.log(`${String(Math.round((Date.now() - startedAt) / 1000)).padStart(5)} s  ${message}`);
console.log(`chaos with seed ${seed}`);
try {
  if (values['hostile-pair']) {
    const { misdeeds, slowdown } = await runHostilePair({
      seed,
      payments,
      flood,
      logs: values.logs,
      onProgress,
    });
    for (const [what, times] of Object.entries(misdeeds))
      console.log(`    ${String(times).padStart(5)}  ${what}`);
    console.log(
      `  the others took ${slowdown.toFixed(2)} times as long; at most ${TOLERATED_SLOWDOWN} are tolerated`,
    );
    process.exitCode = slowdown <= TOLERATED_SLOWDOWN ? 0 : 1;
  } else {
    const { calm: isCalm, logs } = values;
    const report = await runChaos({
      seed,
      payments,
      deaths: isCalm ? 0 : deaths,
      lies,
      isCalm,
      isShort: values.short,
      logs,
      onProgress,
    });
    console.log(`\n${formatReport(report)}`);
    process.exitCode = report.breaches.length === 0 ? 0 : 1;
  }
} finally {
  await closeStack();
}
