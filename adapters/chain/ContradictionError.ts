/**
 * The node's answers do not agree with each other: behind its URL there are several, or its chain
 * changed meanwhile.
 */
export class ContradictionError extends Error {
  override readonly name = 'ContradictionError';
}
