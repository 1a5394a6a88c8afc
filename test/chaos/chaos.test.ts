import { randomInt } from 'node:crypto';
import { expect } from 'chai';

import { formatReport } from './formatReport.ts';
import { runChaos } from './runChaos.ts';

const PAYMENTS = 40;
const DEATHS = 3;
/** CHAOS_SEED repeats the choices of an earlier run, as far as time allows. */
const SEED = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31));

/** The short form of `npm run chaos`. By itself in its mocha process: it mines the chain its own way. */
describe(`chaos (CHAOS_SEED=${SEED})`, function () {
  this.timeout(240_000);

  it('of crashes, outages, reorganisations and a misbehaving relayer breaks no promise', async () => {
    const report = await runChaos({ seed: SEED, payments: PAYMENTS, deaths: DEATHS, onProgress: () => undefined });
    expect(report.breaches, formatReport(report)).to.deep.equal([]);
  });
});
