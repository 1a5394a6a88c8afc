import { expect } from 'chai';
import {
  type BaseError,
  HttpRequestError,
  ResponseBodyTooLargeError,
  RpcRequestError,
  TimeoutError,
  UnknownRpcError,
} from 'viem';

import { createLogRanges } from '../../adapters/chain/createLogRanges.ts';
import { judgeLogRefusal } from '../../adapters/chain/judgeLogRefusal.ts';

const url = 'http://node';
const body = { method: 'eth_getLogs' };

/** As viem hands it on: the node's error inside another one. */
function answered(code: number, message: string, data?: unknown): BaseError {
  return new UnknownRpcError(new RpcRequestError({ body, url, error: { code, message, data } }));
}

function httpError(status: number, details = ''): BaseError {
  return new UnknownRpcError(new HttpRequestError({ url, status, body, details }));
}

/** As viem makes it of a body that is no JSON: lines escaped, all in one. */
function bodyError(status: number, text: string): BaseError {
  return httpError(status, JSON.stringify(text));
}

const GOOGLE_502 = `<!DOCTYPE html>
<html lang=en>
  <meta charset=utf-8>
  <meta name=viewport content="initial-scale=1, minimum-scale=1, width=device-width">
  <title>Error 502 (Server Error)!!1</title>
  <style>
    *{margin:0;padding:0}html,code{font:15px/22px arial,sans-serif}html{background:#fff;color:#222;padding:15px}body{margin:7% auto 0;max-width:390px;min-height:180px;padding:30px 0 15px}* > body{background:url(//www.google.com/images/errors/robot.png) 100% 5px no-repeat;padding-right:205px}p{margin:11px 0 22px;overflow:hidden}ins{color:#777;text-decoration:none}@media screen and (max-width:772px){body{background:none;margin-top:0;max-width:none;padding-right:0}}#logo{background:url(//www.google.com/images/branding/googlelogo/1x/googlelogo_color_150x54dp.png) no-repeat;margin-left:-5px}@media only screen and (min-resolution:192dpi){#logo{background-size:100% 100%}}#logo{display:inline-block;height:54px;width:150px}
  </style>
  <p><b>502.</b> <ins>That’s an error.</ins>
  <p>The server encountered a temporary error and could not complete your request.<p>Please try again in 30 seconds.`;
const MAINTENANCE = `<html><head>
<meta name="viewport" content="width=device-width, maximum-scale=1">
<style>body{max-width:600px} h1{font-size:2em}</style></head>
<body><h1>Down for maintenance</h1></body></html>`;
const BOTH = 'eth_getLogs is limited to a 10,000 range, upgrade for higher throughput';
const UPSTREAM =
  'upstream connect error or disconnect/reset before headers. reset reason: connection timeout, max response size';

describe('a refusal of logs', () => {
  /** In the words of the well-known providers and nodes. */
  const TOO_MUCH: readonly (readonly [string, number, string, unknown?])[] = [
    [
      'Alchemy',
      -32602,
      'Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or you can request any block range with a cap of 10K logs in the response. Based on your parameters and the response size limit, this block range should work: [0x1, 0x2]',
    ],
    [
      'Alchemy, free',
      -32600,
      'Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on your parameters, this block range should work: [0x1, 0xa]. Upgrade to PAYG for expanded block range.',
    ],
    [
      'Infura, results',
      -32005,
      'query returned more than 10000 results. Try with this block range [0x1, 0x2].',
    ],
    ['Infura, range', -32602, 'range 1000000 exceeds limit of 10000'],
    ['QuickNode', -32614, 'eth_getLogs is limited to a 10,000 range'],
    ['QuickNode, free', -32615, 'eth_getLogs is limited to a 5 range'],
    ['Ankr', -32600, 'block range is too wide'],
    ['Ankr, another chain', -32602, 'maximum [from, to] blocks distance: 10000'],
    [
      'Chainstack',
      -32000,
      'Block range limit exceeded. See more details at https://docs.chainstack.com/docs/limits#evm-range-limits',
    ],
    [
      'BlockPI',
      -32602,
      'eth_getLogs is limited to 1024 block range. Please check the parameter requirements at https://docs.blockpi.io/documentations/api-reference',
    ],
    [
      'Cloudflare',
      -32047,
      "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800",
    ],
    ['dRPC', 30, 'ranges over 10000 blocks are not supported on freetier'],
    [
      'Tenderly',
      -32602,
      'invalid params',
      { error_id: 'x', payload: 'range 9009594 is bigger than range limit 2000' },
    ],
    [
      'thirdweb',
      -32602,
      'Log response size exceeded. Maximum allowed number of requested blocks is 3500',
    ],
    ['1RPC, range', -32000, 'eth_getLogs is limited to a 10,000 range'],
    ['1RPC, size', -32000, 'response size should not greater than 10000000 bytes'],
    ['LlamaRPC', -32602, 'query exceeds max results 20000, retry with the range 24383075-24383096'],
    ['Blast', -32600, 'exceeds the range allowed for your plan (10000 > 1000)'],
    ['Coinbase', -32602, 'please limit the query to at most 1,000 blocks'],
    ['PublicNode', -32701, 'exceed maximum block range: 50000'],
    ['Merkle', -32600, 'eth_getLogs range is too large, max is 10k blocks'],
    ['Geth', -32000, 'exceed maximum block range: 5000'],
    ['Erigon', -32000, 'query returned more than 10000 results'],
    ['Reth, range', -32602, 'query exceeds max block range 100000'],
    ['Reth, results', -32602, 'query exceeds max results 20000'],
    ['Nethermind', -32005, 'Too many logs requested. Max logs per response is 20000.'],
    ['Besu', -32005, 'Requested range exceeds maximum RPC range limit'],
    [
      'zkSync',
      -32602,
      'Query returned more than 10000 results. Try with this block range [0x1, 0x2].',
    ],
    ['Arbitrum', -32000, 'logs matched by query exceeds limit of 10000'],
    ['Polygon', -32000, 'Block range is too large'],
    ['Candle', -32600, 'block range too high'],
    ['Avalanche', -32000, 'requested too many blocks from 0 to 9999, maximum is set to 2048'],
    ['Optimism', -32020, 'backend response too large'],
    ['Base', -32614, 'block range too large'],
    ['Harmony', -32000, 'query must be smaller than size 1024'],
    ['Scroll', -32000, 'block range is bigger than maxBlockRange'],
    [
      'Morph',
      -32000,
      'block range is larger than max block range, block range = 5120, max block range = 5000',
    ],
    ['Moonbeam', -32603, 'block range is too wide (maximum 1024)'],
    ['Swell', -32602, 'block range greater than 10000 max'],
    ['Somnia', -32602, 'block range exceeds 1000'],
    ['by its code alone', -32005, 'limit exceeded'],
  ];
  for (const [who, code, message, data] of TOO_MUCH) {
    it(`is of too much at once: ${who}: ${message.slice(0, 60)}`, () => {
      expect(judgeLogRefusal(answered(code, message, data))).to.equal('tooMuch');
      // Some say it in the body of an HTTP error.
      if (data === undefined && !message.startsWith('limit exceeded'))
        expect(
          judgeLogRefusal(httpError(400, JSON.stringify({ error: { code, message } }))),
        ).to.equal('tooMuch');
    });
  }

  it('is of too much at once: an HTTP status, and an answer that is too long for us', () => {
    expect(judgeLogRefusal(httpError(413))).to.equal('tooMuch');
    expect(judgeLogRefusal(new ResponseBodyTooLargeError({ maxSize: 1, size: 2 }))).to.equal(
      'tooMuch',
    );
  });

  it('may be of too much at once where nobody answers in time', () => {
    expect(judgeLogRefusal(new TimeoutError({ body, url }))).to.equal('tooSlow');
    for (const status of [408, 504, 524])
      expect(judgeLogRefusal(httpError(status))).to.equal('tooSlow');
    for (const [code, message] of [
      [-32005, 'query timeout exceeded'],
      [-32002, 'request timed out'],
      [-32000, 'context deadline exceeded'],
      [-32000, 'query took too long: block range too large?'],
    ] as const)
      expect(judgeLogRefusal(answered(code, message)), message).to.equal('tooSlow');
  });

  it('stands in the body of an HTTP error: as JSON whatever its status, as a short text below 501', () => {
    const words = 'block range too large';
    for (const status of [400, 403, 500])
      expect(judgeLogRefusal(bodyError(status, words)), String(status)).to.equal('tooMuch');
    for (const status of [501, 502, 503])
      expect(judgeLogRefusal(bodyError(status, words)), String(status)).to.equal('other');
    for (const status of [400, 500, 502]) {
      expect(
        judgeLogRefusal(httpError(status, JSON.stringify({ code: 'E_RANGE', message: words }))),
        String(status),
      ).to.equal('tooMuch');
    }
    expect(
      judgeLogRefusal(bodyError(400, `${words} ${'x'.repeat(1_000)}`)),
      'a long text',
    ).to.equal('other');
  });

  const OTHER: readonly (readonly [string, BaseError])[] = [
    ['a rate limit', answered(-32005, 'daily request count exceeded, request rate limited')],
    [
      'a limit a second',
      answered(429, 'Your app has exceeded its compute units per second capacity'),
    ],
    [
      'a plan’s limit',
      answered(-32007, "You've exceeded the RPS limit available on the current plan"),
    ],
    ['too many requests', answered(-32005, 'Too Many Requests')],
    ['a quota', answered(-32005, 'monthly quota exceeded')],
    ['HTTP 429', httpError(429, 'block range limit')],
    ['a server that is down', httpError(503)],
    ['no connection', new HttpRequestError({ url, body })],
    ['a page of a proxy', bodyError(502, GOOGLE_502)],
    ['a page of a proxy, as a refusal', bodyError(400, GOOGLE_502)],
    ['a page of a proxy, in the node’s place', answered(-32603, GOOGLE_502)],
    ['a page about maintenance', bodyError(503, MAINTENANCE)],
    ['a page about maintenance, as an answer', bodyError(404, MAINTENANCE)],
    ['a proxy without a node', bodyError(503, UPSTREAM)],
    ['a proxy without a node, in the node’s place', answered(-32603, UPSTREAM)],
    [
      'a node without its own node',
      answered(-32603, 'max retries exceeded: could not fetch block'),
    ],
    [
      'a block that is not there yet',
      answered(-32000, 'block #123 not found, max known block 122'),
    ],
    ['a block that nobody knows', answered(-32001, 'unknown block, max blocks 122')],
  ];
  for (const [what, error] of OTHER)
    it(`is none: ${what}`, () => void expect(judgeLogRefusal(error)).to.equal('other'));

  const UNCLEAR: readonly (readonly [number, string])[] = [
    [-32000, 'block range extends beyond current head block'],
    [-32000, 'invalid block range params'],
    [-32603, 'internal error'],
    [-32601, 'the method eth_getLogs does not exist/is not available'],
    [4444, 'pruned history unavailable'],
    [-32000, 'Zu viel auf einmal'],
    // Of the plan's rate or of the range: perhaps either.
    [-32614, BOTH],
    [-32005, 'block range limit exceeded for your compute units per second'],
  ];
  for (const [code, message] of UNCLEAR) {
    it(`is not clear: ${message}`, () =>
      void expect(judgeLogRefusal(answered(code, message))).to.equal('unclear'));
  }
});

describe('how many blocks’ logs a URL is asked for', () => {
  const refused = answered(-32000, 'block range too large');
  let at = 0;
  beforeEach(() => {
    at = 1_000_000;
  });
  const create = () => createLogRanges(() => at);

  /**
   * Asks for so many at most, of a node that takes `most`. @returns the sizes that were asked for
   * until it took one
   */
  function ask(ranges: ReturnType<typeof create>, wanted: bigint, most: bigint): bigint[] {
    const sizes: bigint[] = [];
    for (;;) {
      const limit = ranges.limitOf(0);
      const size = limit !== undefined && limit < wanted ? limit : wanted;
      sizes.push(size);
      if (size <= most) {
        ranges.noteTaken(0, size);
        return sizes;
      }
      if (!ranges.noteFailed(0, size, refused)) return sizes;
    }
  }

  it('is halved at once for each refusal, and is each URL’s own', () => {
    const ranges = create();
    expect(ask(ranges, 1_000n, 100n)).to.deep.equal([1_000n, 500n, 250n, 125n, 62n]);
    expect(ranges.limitOf(1)).to.equal(undefined);
    expect(ask(ranges, 1_000n, 100n)).to.deep.equal([62n]);
  });

  it('grows again by a quarter a minute, to below what was refused; and beyond that after ten minutes', () => {
    const ranges = create();
    ask(ranges, 1_000n, 100n);
    const grown: (bigint | undefined)[] = [];
    for (let minute = 0; minute < 8; minute++) {
      at += 60_000;
      expect(ask(ranges, 1_000n, 124n)).to.have.length(1);
      grown.push(ranges.limitOf(0));
    }
    expect(grown).to.deep.equal([77n, 96n, 120n, 124n, 124n, 124n, 124n, 124n]);
    at += 3 * 60_000;
    // It takes more by now.
    ask(ranges, 1_000n, 400n);
    expect(ranges.limitOf(0)).to.equal(155n);
    at += 60_000;
    ask(ranges, 1_000n, 400n);
    expect(ranges.limitOf(0)).to.equal(193n);
  });

  it('goes back to what was taken, not to half, when it has grown too far', () => {
    const ranges = create();
    ask(ranges, 1_000n, 100n);
    at += 60_000;
    ask(ranges, 1_000n, 70n);
    expect(ask(ranges, 1_000n, 70n)).to.deep.equal([77n, 62n]);
  });

  it('is less the next time after silence, while the next URL is asked; of few blocks, silence has another cause', () => {
    const ranges = create();
    const silence = new TimeoutError({ body, url });
    for (const [asked, next] of [
      [64n, 32n],
      [32n, 16n],
      [16n, 8n],
      [8n, 8n],
      [1n, 8n],
    ] as const) {
      expect(ranges.noteFailed(0, asked, silence)).to.equal(false);
      expect(ranges.limitOf(0)).to.equal(next);
    }
  });

  it('is as before once a single block is refused as well, which nobody follows down again for a minute', () => {
    const ranges = create();
    expect(ask(ranges, 1_000n, 0n)).to.deep.equal([
      1_000n,
      500n,
      250n,
      125n,
      62n,
      31n,
      15n,
      7n,
      3n,
      1n,
    ]);
    expect(ranges.limitOf(0)).to.equal(undefined);
    expect(ask(ranges, 1_000n, 0n)).to.deep.equal([1_000n]);
    at += 60_000;
    expect(ask(ranges, 1_000n, 100n)).to.deep.equal([1_000n, 500n, 250n, 125n, 62n]);
    // What was found out before is put back likewise, with what it took and refused.
    expect(ask(ranges, 1_000n, 0n).at(-1)).to.equal(1n);
    expect(ranges.limitOf(0)).to.equal(62n);
    at += 60_000;
    expect(ask(ranges, 1_000n, 124n)).to.deep.equal([62n]);
    expect(ranges.limitOf(0)).to.equal(77n);
  });

  it('is not raised by a refusal of more, which another read asked for before', () => {
    const ranges = create();
    ask(ranges, 1_000n, 100n);
    expect(ranges.noteFailed(0, 1_000n, refused)).to.equal(true);
    expect(ranges.limitOf(0)).to.equal(62n);
  });

  it('is not touched by silence, or unclear words, about fewer blocks than were taken lately', () => {
    const ranges = create();
    const silence = new TimeoutError({ body, url });
    const unknown = answered(-32000, 'Zu viel auf einmal');
    ranges.noteTaken(0, 2_000n);
    for (let times = 0; times < 9; times++) {
      for (const blocks of [1n, 100n, 2_000n]) {
        expect(ranges.noteFailed(0, blocks, silence)).to.equal(false);
        expect(ranges.noteFailed(0, blocks, unknown)).to.equal(false);
      }
    }
    expect(ranges.limitOf(0)).to.equal(undefined);
    ranges.noteFailed(0, 2_001n, silence);
    expect(ranges.limitOf(0), 'of more').to.equal(2_000n);
    at += 60_000;
    // Does not make it any later that more was taken.
    ranges.noteTaken(0, 40n);
    at += 60_000;
    ranges.noteFailed(0, 2_000n, silence);
    expect(ranges.limitOf(0), 'two minutes later').to.equal(1_000n);
  });

  it('is back within minutes of a moment of silence', () => {
    const ranges = create();
    ranges.noteFailed(0, 2_000n, new TimeoutError({ body, url }));
    expect(ask(ranges, 2_000n, 2_000n)).to.deep.equal([1_000n]);
    at += 60_000;
    ask(ranges, 2_000n, 2_000n);
    expect(ask(ranges, 2_000n, 2_000n)).to.deep.equal([2_000n]);
  });

  it('is less after the third refusal in a row in words that nobody knows', () => {
    const ranges = create();
    const unknown = answered(-32000, 'Zu viel auf einmal');
    for (let times = 0; times < 2; times++)
      expect(ranges.noteFailed(0, 64n, unknown)).to.equal(false);
    expect(ranges.limitOf(0)).to.equal(undefined);
    ranges.noteTaken(0, 3n);
    for (let times = 0; times < 2; times++) ranges.noteFailed(0, 64n, unknown);
    expect(ranges.limitOf(0)).to.equal(undefined);
    ranges.noteFailed(0, 64n, unknown);
    expect(ranges.limitOf(0)).to.equal(32n);
  });

  it('is less after the third refusal that speaks of the range and of the plan’s rate', () => {
    for (const error of [answered(-32614, BOTH), bodyError(400, BOTH)]) {
      const ranges = create();
      for (let times = 0; times < 3; times++) {
        expect(ranges.limitOf(0)).to.equal(undefined);
        expect(ranges.noteFailed(0, 20_000n, error)).to.equal(false);
      }
      expect(ranges.limitOf(0)).to.equal(10_000n);
    }
  });

  it('is not touched by what is about something else', () => {
    const ranges = create();
    for (let times = 0; times < 9; times++)
      expect(ranges.noteFailed(0, 64n, answered(-32005, 'request rate limited'))).to.equal(false);
    expect(ranges.limitOf(0)).to.equal(undefined);
  });
});
