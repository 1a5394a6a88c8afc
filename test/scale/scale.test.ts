import { expect } from 'chai';

import { examine } from './examine.ts';
import { EXCEPTIONS } from './exceptions.ts';

const PAYMENTS = 50_000;

describe('the statements of every hot path', function () {
  this.timeout(300_000);

  it(`read no more rows than come of them, beside ${PAYMENTS} payments`, async () => {
    const findings = await examine(PAYMENTS, EXCEPTIONS);
    expect(findings.length).to.be.greaterThan(80);
    const complaints = findings.flatMap(({ during, shape, plan, complaint }) =>
      complaint === undefined
        ? []
        : [`${during}: ${complaint}\n    ${shape}\n    ${plan.join('; ')}`],
    );
    expect(complaints.join('\n')).to.equal('');
  });
});
