import { BaseError } from 'viem';

/**
 * What a node answered is not what its method promises: another node may know better. Holds no
 * contents of the answer.
 */
export class NodeAnswerError extends BaseError {
  override readonly name = 'NodeAnswerError';
  readonly problem: string;

  constructor(method: string, problem: string) {
    super(`the node's answer to ${method} is none: ${problem}`);
    this.problem = `${method}: ${problem}`;
  }
}
