import { randomInt } from 'node:crypto';
import { expect } from 'chai';

import { formatReport } from './formatReport.ts';
import { LIE_KINDS } from './nodes/lies.ts';
import { runChaos } from './runChaos.ts';

const PAYMENTS = 24;
/** Of each process. */
const DEATHS = 1;
/** What takes half a minute and more by itself is for the long form. */
const LIES = LIE_KINDS.filter((kind) => kind !== 'hidesLogs');
/** CHAOS_SEED repeats the choices of an earlier run, as far as time allows. */
const SEED = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31));

/**
 * The short form of `npm run chaos`. By itself in its mocha process: it kills the database, and
 * mines the chain its own way.
 */
describe(`chaos (CHAOS_SEED=${SEED})`, function () {
  this.timeout(450_000);

  it('of lies, deaths, outages, reorganisations, hostile people and refunds breaks no promise', async () => {
    const options = {
      seed: SEED,
      payments: PAYMENTS,
      deaths: DEATHS,
      lies: LIES,
      isCalm: false,
      isShort: true,
    };
    const report = await runChaos({ ...options, onProgress: () => undefined });
    expect(report.breaches, formatReport(report)).to.deep.equal([]);
    // A node that was asked nothing meanwhile has lied to nobody; that happens, since others are
    // asked first.
    const begun = Object.keys(report.misfortunes).flatMap(
      (what) => /^lie: (\w+)/.exec(what)?.[1] ?? [],
    );
    expect(new Set(begun), 'lies that nodes told').to.deep.equal(new Set(LIES));
    expect(
      Object.keys(report.misfortunes).some((what) => what.startsWith('death: ')),
      'somebody died',
    ).to.equal(true);
  });
});
