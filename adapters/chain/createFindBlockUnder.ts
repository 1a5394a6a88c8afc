import type { ChainPort } from '../../domain/chain/ports.ts';
import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import { AppError } from '../../shared/errors.ts';
import type { ReadBlockUnder } from './createReadBlock.ts';
import type { RpcClients } from './createRpcClients.ts';
import { OtherBranchError } from './OtherBranchError.ts';

/**
 * Whoever is not on the chain of the head has not answered: the next URL is asked, and then all of
 * them once more, since behind a URL there may be several nodes.
 */
export function createFindBlockUnder(
  rpc: RpcClients,
  readBlockUnder: ReadBlockUnder,
): ChainPort['findBlockUnder'] {
  return async (head, number) => {
    let wasElsewhere = false;
    try {
      return await rpc.askOneNode(async (_client, urlIndex) => {
        const found = await readBlockUnder(urlIndex, head, number);
        if (found !== 'otherBranch') return found;
        wasElsewhere = true;
        throw new OtherBranchError();
      });
    } catch (error) {
      if (wasElsewhere && error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code)
        return 'otherBranch';
      throw error;
    }
  };
}
