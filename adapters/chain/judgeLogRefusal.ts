import {
  BaseError,
  HttpRequestError,
  ResponseBodyTooLargeError,
  RpcRequestError,
  TimeoutError,
} from 'viem';

/**
 * What a failed eth_getLogs says about the number of blocks that were asked for:
 *
 *   tooMuch   fewer may be asked for, at once
 *   tooSlow   the same, when the URL is asked again; silent for another reason, perhaps
 *   unclear   the node said no in words that we do not know
 *   other     something else: a rate limit, a server that is down, an answer that is none
 */
export type LogRefusal = 'tooMuch' | 'tooSlow' | 'unclear' | 'other';

/**
 * Providers' words for "too much at once", of blocks or of logs. They agree on no code. A single
 * "block" is none of them: that one may be unknown, or newer than the node's head.
 * test/adapters/logRefusals.test.ts has those of the well-known ones.
 */
const TOO_MUCH = [
  /\b(range|span|blocks|distance|logs|results)\b.{0,60}\b(too (large|wide|big|many|long|high)|exceed\w*|limit\w*|max\w*|(greater|larger|bigger|more) than|at most)/i,
  /\b(exceed\w*|limit\w*|max\w*|(more|greater|larger|smaller) than|up to|too many|narrow)\b.{0,60}\b(range|span|blocks|distance|results|logs|size|entries|records)\b/i,
  /\b(response|size|payload|body)\b.{0,60}\b(too (large|big|long)|exceed\w*|(greater|larger|bigger) than)/i,
  /\branges? over\b/i,
];
/** The node's own time for a question, not ours. */
const TIMED_OUT = /\btime(d)?[ -]?out\b|deadline exceeded|took too long|query duration/i;
/** Of what a server in front of the node could not reach, or of one block. */
const OTHER_CAUSE =
  /\bupstream\b|\bconnect(ion|ing)?\b|\bretries\b|\bnot found\b|\b(unknown|known) block\b/i;
/** Of the caller's account, which fewer blocks at once would only exceed the faster. */
const TOO_OFTEN =
  /\brate\b|rate.?limit|\b[rt]ps\b|per (second|minute|hour|day)|too many requests|requests? (count|limit)|daily|monthly|credits|compute units|capacity|throughput|quota|concurren/i;
/** A number of blocks, not of answers or requests. */
const OF_BLOCKS = /\b(ranges?|span|blocks)\b/i;
/** EIP-1474 "limit exceeded": of either kind. */
const LIMIT_EXCEEDED = -32005;

/** Of a server in front of the node that has waited long enough for it. */
const SLOW_STATUSES: ReadonlySet<number | undefined> = new Set([408, 504, 524]);
/**
 * From here on a server in front of the node speaks, of itself, unless it hands on an error as
 * JSON.
 */
const FIRST_GATEWAY_STATUS = 501;
/** A refusal is a sentence or two: the longest known has 300 characters. A page is none. */
const MAX_WORDS = 1_000;

export function judgeLogRefusal(error: unknown): LogRefusal {
  if (!(error instanceof BaseError)) return 'other';
  if (error.walk((cause) => cause instanceof ResponseBodyTooLargeError) !== null) return 'tooMuch';
  if (error.walk((cause) => cause instanceof TimeoutError) !== null) return 'tooSlow';
  const answer = error.walk(
    (cause) => cause instanceof RpcRequestError || cause instanceof HttpRequestError,
  );
  if (answer instanceof HttpRequestError) {
    if (answer.status === 413) return 'tooMuch';
    if (answer.status === undefined || answer.status === 429) return 'other';
    // Some providers put the node's words into the body of an HTTP error.
    const words = wordsOfBody(answer.details, answer.status);
    const judged = words === undefined ? undefined : judgeWords(words);
    if (judged === 'tooMuch' || judged === 'unclear') return judged;
    return SLOW_STATUSES.has(answer.status) ? 'tooSlow' : 'other';
  }
  if (!(answer instanceof RpcRequestError)) return 'other';
  const words = `${answer.details} ${wordsOf(answer.data)}`;
  if (!isSentence(words)) return 'other';
  const judged = judgeWords(words);
  if (judged !== undefined) return judged;
  return answer.code === LIMIT_EXCEEDED ? 'tooMuch' : 'unclear';
}

/** @returns undefined when the words are none that we know */
function judgeWords(words: string): LogRefusal | undefined {
  if (OTHER_CAUSE.test(words)) return 'other';
  const isTooMuch = TOO_MUCH.some((pattern) => pattern.test(words));
  // A plan is praised along with what it would take: "limited to a 10,000 range, upgrade for higher
  // throughput".
  if (TOO_OFTEN.test(words)) return isTooMuch && OF_BLOCKS.test(words) ? 'unclear' : 'other';
  if (TIMED_OUT.test(words)) return 'tooSlow';
  return isTooMuch ? 'tooMuch' : undefined;
}

/**
 * @param details what viem makes of the body: the JSON of its `error`, or of the whole text
 * @returns undefined when the body is nothing that a node says
 */
function wordsOfBody(details: string, status: number): string | undefined {
  let body: unknown = details;
  try {
    body = JSON.parse(details);
  } catch {
    // The text of the status: the body was empty.
  }
  const isText = typeof body === 'string';
  if (isText && status >= FIRST_GATEWAY_STATUS) return undefined;
  const words = isText ? (body as string) : details;
  return isSentence(words) ? words : undefined;
}

/** Neither a page nor longer than any refusal. */
function isSentence(words: string): boolean {
  return words.length <= MAX_WORDS && !/<[a-z!/]/i.test(words);
}

/** Some say "invalid params", and what is wrong with them in the error's data. */
function wordsOf(data: unknown): string {
  return data == null ? '' : JSON.stringify(data).slice(0, 500);
}
