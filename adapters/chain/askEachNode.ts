import type { RpcClients, RpcQuestions } from './createRpcClients.ts';

/** Whoever has not answered by then is not waited for: somebody waits for the outcome, and the others have a say. */
const PATIENCE_MS = 2_000;

/**
 * Asks each RPC URL by itself, for a "no" that one of them has said and that must not rest on its word alone: it may lag, lie, or be broken.
 * @returns what those say that answer soon; none of them perhaps
 */
export async function askEachNode<T>({ eachNode }: Pick<RpcClients, 'eachNode'>, ask: (node: RpcQuestions) => Promise<T>): Promise<T[]> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<readonly never[]>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS, []);
  });
  const heard = await Promise.all(
    eachNode.map((node) =>
      Promise.race([
        ask(node).then(
          (answer) => [answer],
          () => [],
        ),
        patience,
      ]),
    ),
  );
  clearTimeout(timer);
  return heard.flat();
}
