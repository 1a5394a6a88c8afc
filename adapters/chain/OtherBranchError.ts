/** The node that answered is not on the chain of the head that was meant, or not as far. */
export class OtherBranchError extends Error {
  override readonly name = 'OtherBranchError';
  constructor() {
    super('the node does not have the head that is meant');
  }
}
