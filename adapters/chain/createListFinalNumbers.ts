import { setTimeout as sleep } from 'node:timers/promises';

import type { ChainPort } from '../../domain/chain/ports.ts';
import type { FindEnds } from './createFindEnds.ts';
import type { RpcClients } from './createRpcClients.ts';

/** One that fails has no say here, and is not late. */
export function createListFinalNumbers(
  { eachNode }: Pick<RpcClients, 'eachNode'>,
  findEnds: FindEnds,
): ChainPort['listFinalNumbers'] {
  return async (patienceMs) => {
    const numbers: bigint[] = [];
    const waiting = new Set(eachNode.keys());
    const asked = eachNode.map(async (node, place) => {
      try {
        numbers.push(
          await node.askOneNode(async (_client, urlIndex) => (await findEnds(urlIndex)).final),
        );
      } catch {
        // Told where something depends on it.
      } finally {
        waiting.delete(place);
      }
    });
    const timer = new AbortController();
    await Promise.race([
      Promise.all(asked),
      sleep(patienceMs, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
    return { numbers: [...numbers], late: [...waiting] };
  };
}
