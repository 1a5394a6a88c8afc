import type { RpcClients, RpcQuestions } from './createRpcClients.ts';

/**
 * Asks each RPC URL by itself, where one good answer is enough, whoever gives it: nobody is waited
 * for after it, and so a customer may wait for it. Until there is one they all are, since the one
 * that is slow may be the one that has it.
 * @returns undefined: none of those that have not failed says anything of the kind
 */
export async function askUntil<T>(
  { eachNode }: Pick<RpcClients, 'eachNode'>,
  ask: (node: RpcQuestions) => Promise<T>,
  isGood: (answer: T) => boolean,
): Promise<T | undefined> {
  const answers = eachNode.map(async (node) => {
    const answer = await ask(node);
    if (!isGood(answer)) throw new Error('no good answer');
    return { answer };
  });
  return Promise.any(answers).then(
    ({ answer }) => answer,
    () => undefined,
  );
}
