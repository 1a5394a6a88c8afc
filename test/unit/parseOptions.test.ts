import { expect } from 'chai';

import { parsePriority, parseWeight, UsageError } from '../../cli/parseOptions.ts';

describe('options of commands', () => {
  it('a weight is a whole number from 1 to 10000', () => {
    expect(['1', '250', '10000'].map(parseWeight)).to.deep.equal([1, 250, 10_000]);
    for (const text of ['0', '10001', '1.5', '-1', '1e3', '', 'many'])
      expect(() => parseWeight(text), text).to.throw(UsageError, '--weight');
  });

  it('a priority is one of three words', () => {
    expect(['low', 'normal', 'high'].map(parsePriority)).to.deep.equal(['low', 'normal', 'high']);
    for (const text of ['', 'High', 'urgent', '1'])
      expect(() => parsePriority(text), text).to.throw(UsageError, '--priority');
  });
});
