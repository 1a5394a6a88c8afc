/**
 * The first nonce from the chain's on that no live attempt of the payer holds. @param held lowest
 * first
 */
export function decideNextNonce(chainNonce: bigint, held: readonly bigint[]): bigint {
  return held.reduce((next, nonce) => (nonce === next ? next + 1n : next), chainNonce);
}
