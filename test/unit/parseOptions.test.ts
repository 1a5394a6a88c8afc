import { expect } from 'chai';

import {
  parseKeyId,
  parsePriority,
  parseStoreId,
  parseWeight,
  UsageError,
} from '../../cli/parseOptions.ts';

describe('options of commands', () => {
  it('a weight is a whole number from 1 to 10000', () => {
    expect(['1', '250', '10000'].map(parseWeight)).to.deep.equal([1, 250, 10_000]);
    for (const text of ['0', '10001', '1.5', '-1', '1e3', '', 'many'])
      expect(() => parseWeight(text), text).to.throw(UsageError, '--weight');
  });

  it('the id of a store or a key is one, and not the example of the manual', () => {
    const ulid = '01K0000000000000000000000A';
    expect(parseStoreId(`st_${ulid}`)).to.equal(`st_${ulid}`);
    expect(parseKeyId(`key_${ulid}`)).to.equal(`key_${ulid}`);
    for (const text of ['st_…', '', `key_${ulid}`, `st_${ulid}0`, `st_${ulid.toLowerCase()}`])
      expect(() => parseStoreId(text), text).to.throw(UsageError, '--store');
    for (const text of ['key_…', '', `st_${ulid}`])
      expect(() => parseKeyId(text), text).to.throw(UsageError, '--key');
  });

  it('a priority is one of three words', () => {
    expect(['low', 'normal', 'high'].map(parsePriority)).to.deep.equal(['low', 'normal', 'high']);
    for (const text of ['', 'High', 'urgent', '1'])
      expect(() => parsePriority(text), text).to.throw(UsageError, '--priority');
  });
});
