import { expect } from 'chai';

import { lockOrderErrors } from '../../platform/assertLockOrder.ts';
import { assertAnswersAreListed, recordAnsweredCodes } from './answeredCodes.ts';
import { closeStack } from './stack.ts';

/** Mocha's root hooks. */
export const mochaHooks = {
  beforeAll(): void {
    recordAnsweredCodes();
  },
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    await closeStack();
    // Whoever catches the error of a statement must not hide this one.
    expect(lockOrderErrors.map(({ message }) => message)).to.deep.equal([]);
    assertAnswersAreListed();
  },
};
