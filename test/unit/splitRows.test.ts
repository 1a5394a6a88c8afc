import { expect } from 'chai';

import { splitRows } from '../../platform/splitRows.ts';

describe('splitting the rows of a statement', () => {
  it('keeps every row once, in order, and some hundreds of them in a part', () => {
    const rows = Array.from({ length: 1_234 }, (_, index) => [index, null, new Date(0)]);
    const parts = splitRows(rows);
    expect(parts.flat()).to.deep.equal(rows);
    expect(parts.map(({ length }) => length)).to.deep.equal([500, 500, 234]);
    expect(splitRows([])).to.deep.equal([]);
  });

  it('keeps a part below a megabyte, also when every character is escaped', () => {
    const rows = Array.from({ length: 200 }, (_, index) => [index, '"'.repeat(12_000)]);
    const parts = splitRows(rows);
    expect(parts.flat()).to.deep.equal(rows);
    for (const part of parts)
      expect(part.reduce((sum, [, text]) => sum + 2 * String(text).length, 0)).to.be.below(
        1_000_000,
      );
    expect(parts.length).to.be.within(5, 10);
  });

  it('counts bytes and not characters', () => {
    const parts = splitRows(Array.from({ length: 10 }, () => ['한'.repeat(60_000)]));
    expect(parts.map(({ length }) => length)).to.deep.equal([2, 2, 2, 2, 2]);
  });

  it('lets a row that is too large by itself go alone', () => {
    const huge = ['x'.repeat(2_000_000)];
    expect(splitRows([[1], huge, [2], [3]])).to.deep.equal([[[1]], [huge], [[2], [3]]]);
  });
});
