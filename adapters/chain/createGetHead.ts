import type { Block, ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Clock } from '../../shared/clock.ts';
import { askEachNode } from './askEachNode.ts';
import type { ReadBlock } from './createReadBlock.ts';
import type { RpcClients } from './createRpcClients.ts';
import { findUnbelievable, isFarAbove, isOfFuture } from './judgeHeads.ts';

/**
 * For how long a head that was believed speaks against one that is far above it, where no other URL
 * can be asked.
 */
const REMEMBERED_MS = 60_000;

/**
 * The newest block. How deep everything stands is measured from it, so a head that comes as a
 * surprise is compared with those of the other URLs, and passed over where they do not bear it out.
 * What comes as expected after the last one is not: it costs one question.
 */
export function createGetHead(
  chain: Pick<ChainConfig, 'blockTimeMs'>,
  rpc: RpcClients,
  readBlock: ReadBlock,
  clock: Clock,
): ChainPort['getHead'] {
  /** The last one that was believed, and when, by `performance.now()`. */
  let last: { readonly head: Block; readonly at: number } | undefined;

  async function ask(urlIndex: number): Promise<Block> {
    const head = await readBlock(urlIndex, { blockTag: 'latest' });
    if (head === undefined) throw new Error('the node has no block at all');
    return head;
  }

  async function isBelieved(head: Block, urlIndex: number): Promise<boolean> {
    const measure = { now: clock.now(), blockTimeMs: chain.blockTimeMs };
    const isSurprise =
      last === undefined || isOfFuture(head, measure) || isFarAbove(head, last.head, measure);
    if (!isSurprise) return true;
    const heard = await askEachNode(rpc, (node) =>
      node.askOneNode(async (_client, index) => (index === urlIndex ? undefined : ask(index))),
    );
    const others = heard.filter((other) => other !== undefined);
    if (others.length > 0) return !findUnbelievable([head, ...others], measure).has(0);
    return (
      last === undefined ||
      performance.now() - last.at > REMEMBERED_MS ||
      !isFarAbove(head, last.head, measure)
    );
  }

  return () =>
    rpc.askOneNode(async (_client, urlIndex) => {
      const head = await ask(urlIndex);
      if (rpc.eachNode.length > 1 && !(await isBelieved(head, urlIndex)))
        throw new Error(
          'the head of the RPC URL is further ahead of the others, or of our time, than it can be',
        );
      last = { head, at: performance.now() };
      return head;
    });
}
