/** After this many transactions that came to nothing, an attempt is given up. */
export const MAX_SENDS = 8;

/**
 * Requests whose batch came back as a whole go on in smaller ones, down to one by itself: one of
 * them may be at fault, or the size. What is sent again because it was not mined in time keeps its
 * size: a slow chain is the last place for more and smaller transactions.
 */
export function decideBatchSize(maxBatchSize: number, batchFailures: number): number {
  return Math.max(1, Math.floor(maxBatchSize / 2 ** batchFailures));
}
