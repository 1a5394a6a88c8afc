import { randomInt } from 'node:crypto';
import { expect } from 'chai';

import { formatReport } from './formatReport.ts';
import { LIE_KINDS } from './nodes/lies.ts';
import { runChaos } from './runChaos.ts';

const PAYMENTS = 30;
/** CHAOS_SEED repeats the choices of an earlier run, as far as time allows. */
const SEED = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31));

/** The short form of `npm run chaos -- --calm`: every lie, and nobody dies. By itself in its mocha process: it mines the chain its own way. */
describe(`chaos (CHAOS_SEED=${SEED})`, function () {
  this.timeout(450_000);

  it('of lying nodes, reorganisations, hostile payers and refunds breaks no promise', async () => {
    const options = { seed: SEED, payments: PAYMENTS, deaths: 0, lies: LIE_KINDS, isCalm: true };
    const report = await runChaos({ ...options, onProgress: () => undefined });
    expect(report.breaches, formatReport(report)).to.deep.equal([]);
    // A node that was asked nothing meanwhile has lied to nobody; that happens, since others are asked first.
    const begun = Object.keys(report.misfortunes).flatMap((what) => /^lie: (\w+)/.exec(what)?.[1] ?? []);
    expect(new Set(begun), 'lies that nodes told').to.deep.equal(new Set(LIE_KINDS));
  });
});
