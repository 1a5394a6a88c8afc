import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { createFindEnds } from './createFindEnds.ts';
import type { Hear } from './createHearings.ts';
import type { NodeReads } from './createReadHead.ts';
import type { RpcClients } from './createRpcClients.ts';
import { findVoters } from './judgeHeads.ts';

/**
 * Asks every RPC URL how far its chain is final, then for the newest of these blocks that most of
 * those have which have a say (judgeHeads.ts), or which were not heard and may say anything. Most
 * of them must have the same one there: who has another one is asked last from then on. Its time is
 * one that most of them have reached by it.
 */
export function createFindAgreedFinal(
  chain: Pick<ChainConfig, 'confirmations' | 'blockTimeMs'>,
  rpc: RpcClients,
  hear: { readonly ends: Hear; readonly header: Hear },
  reads: NodeReads,
): ChainPort['findAgreedFinal'] {
  const findEnds = createFindEnds(chain, reads);

  return async (upTo) => {
    const ends = await hear.ends((node) =>
      node.askOneNode(async (_client, urlIndex) => ({ urlIndex, ...(await findEnds(urlIndex)) })),
    );
    const voters = findVoters(ends.heard, {
      urls: rpc.eachNode.length,
      blockTimeMs: chain.blockTimeMs,
    });
    const count = voters.length + ends.unheard.length;
    const final = mostHave(voters, count, (one, other) =>
      one.final === other.final ? 0 : one.final > other.final ? -1 : 1,
    )?.final;
    if (final === undefined || final < 0n) return undefined;
    const number = final < upTo ? final : upTo;
    const headers = await hear.header((node) =>
      node.askOneNode(async (_client, urlIndex) => ({
        urlIndex,
        found: await reads.readBlock(urlIndex, { blockNumber: number }),
      })),
    );
    const given = headers.heard.flatMap(({ urlIndex, found }) => {
      const voter = voters.find((one) => one.urlIndex === urlIndex);
      const counts =
        voter !== undefined &&
        found !== undefined &&
        voter.final >= number &&
        found.timestamp <= voter.head.timestamp;
      return counts ? [{ urlIndex, block: found }] : [];
    });
    for (const { block } of given) {
      const same = given.filter((one) => one.block.hash === block.hash);
      if (same.length * 2 <= count) continue;
      // The next scan is not of their branch.
      for (const other of given) if (other.block.hash !== block.hash) rpc.putLast(other.urlIndex);
      const blocks = same.map((one) => one.block);
      return mostHave(
        blocks,
        count,
        (one, other) => other.timestamp.getTime() - one.timestamp.getTime(),
      );
    }
    return undefined;
  };
}

/** @returns what more than half of so many have at least; undefined when fewer have anything */
function mostHave<One>(
  values: readonly One[],
  count: number,
  furthestFirst: (one: One, other: One) => number,
): One | undefined {
  return [...values].sort(furthestFirst)[Math.floor(count / 2)];
}
