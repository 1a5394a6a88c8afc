import sinon from 'sinon';

/**
 * From now on `Date.now` of this process is so much later, until `sinon.restore()`: what a
 * simulator here would do then, it does now.
 */
export function advanceClock(ms: number): void {
  const now = Date.now.bind(Date);
  sinon.stub(Date, 'now').callsFake(() => now() + ms);
}
