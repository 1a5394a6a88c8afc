import { createServer } from 'node:net';
import { expect } from 'chai';

import { findFreePort } from '../../dev/freePort.ts';

/** Of whoever asks the system for any port. */
function bindAny(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      );
    });
  });
}

describe('free ports', () => {
  it('are none that the system gives to somebody else before they are bound, and none twice', async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, () => findFreePort()));
    expect(new Set(ports).size).to.equal(50);
    const lowestOfSystem = Math.min(...(await Promise.all(Array.from({ length: 50 }, bindAny))));
    expect(Math.max(...ports)).to.be.below(lowestOfSystem);
  });

  it('are the one that is preferred, unless somebody listens there', async () => {
    const preferred = await findFreePort();
    expect(await findFreePort(preferred)).to.equal(preferred);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(preferred, '127.0.0.1', resolve));
    expect(await findFreePort(preferred)).to.not.equal(preferred);
    await new Promise((resolve) => server.close(resolve));
  });
});
