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
    assertAnswersAreListed();
  },
};
