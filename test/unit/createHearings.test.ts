import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';

import { createHearings } from '../../adapters/chain/createHearings.ts';
import { RPC_TIMEOUT_MS, type RpcQuestions } from '../../adapters/chain/createRpcClients.ts';
import { passTime, type PassingTime } from '../support/passTime.ts';

describe('hearing the RPC URLs of a chain', () => {
  const [good, other] = [{} as RpcQuestions, {} as RpcQuestions];
  let time: PassingTime;
  let logged: Record<string, unknown>[];
  let asked: number;
  /** What becomes of a question to the other one. */
  let answer: () => Promise<string>;

  beforeEach(() => {
    time = passTime();
    [logged, asked] = [[], 0];
  });
  afterEach(() => time.end());

  function begin(answerMs?: number) {
    const log = pino(
      { level: 'info' },
      { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
    );
    const hearings = createHearings({
      eachNode: [good, other],
      chainId: 1,
      log,
      ...(answerMs === undefined ? {} : { answerMs }),
    });
    const hear = hearings.of('final events');
    const ask = (through = hear) =>
      through(async (node) => {
        if (node === good) return 'good';
        asked++;
        return answer();
      });
    return { hearings, ask };
  }

  const refuse = () => Promise.reject(new Error('too many requests'));
  const beSilent = async () => {
    await sleep(5);
    time.pass(RPC_TIMEOUT_MS);
    throw new Error('no answer in time');
  };
  const GOOD = { heard: ['good'], unheard: [1] };
  const BOTH = { heard: ['good', 'other'], unheard: [] };

  it('waits for one that is slow, and not twice for one that fails by its silence', async () => {
    const { ask } = begin();
    answer = () => sleep(500, 'other');
    expect(await ask()).to.deep.equal(BOTH);
    answer = beSilent;
    expect(await ask()).to.deep.equal(GOOD);
    answer = () => Promise.resolve('other');
    expect(await ask(), 'asked beside').to.deep.equal(GOOD);
    expect(await ask(), 'it has answered').to.deep.equal(BOTH);
    answer = beSilent;
    await ask();
    answer = () => Promise.resolve('other');
    time.pass(15_000);
    expect(await ask(), 'long ago').to.deep.equal(BOTH);
    expect(asked).to.equal(6);
  });

  it('has heard nothing of one that does not answer in time, whatever it says later, and asks it no more until then', async () => {
    const { ask } = begin(50);
    let end: (word: string) => void = () => undefined;
    answer = () => {
      time.pass(RPC_TIMEOUT_MS);
      return new Promise((resolve) => (end = resolve));
    };
    expect(await ask()).to.deep.equal(GOOD);
    expect([await ask(), asked], 'it is being asked').to.deep.equal([GOOD, 1]);
    end('other');
    await sleep(5);
    expect([await ask(), asked], 'asked beside').to.deep.equal([GOOD, 2]);
  });

  it('takes one that fails for unheard, and for away when it has failed for a minute; then it is told, with the reason', async () => {
    const { ask, hearings } = begin();
    answer = refuse;
    for (const passed of [0, 20_000, 20_000, 19_000]) {
      time.pass(passed);
      expect(await ask()).to.deep.equal(GOOD);
    }
    expect([logged, hearings.listAway()]).to.deep.equal([[], []]);
    time.pass(2_000);
    expect(await ask()).to.deep.equal({ heard: ['good'], unheard: [] });
    expect(logged).to.have.length(1);
    expect(logged[0]).to.include({
      level: 40,
      chainId: 1,
      rpcUrl: 1,
      question: 'final events',
      failures: 4,
    });
    expect(logged[0]?.['err']).to.include({ message: 'too many requests' });
    expect(hearings.listAway()).to.deep.equal([1]);
    time.pass(599_000);
    await ask();
    expect(logged).to.have.length(1);
    time.pass(2_000);
    await ask();
    expect(logged, 'again each ten minutes').to.have.length(2);
    answer = () => Promise.resolve('other');
    expect(await ask()).to.deep.equal(BOTH);
    expect(hearings.listAway()).to.deep.equal([]);
    expect(logged[2]).to.include({ level: 30, rpcUrl: 1 });
    answer = refuse;
    expect(await ask(), 'it has answered a moment ago').to.deep.equal(GOOD);
  });

  it('takes none for away that answers now and then, nor one that failed twice, long ago and now', async () => {
    const { ask } = begin();
    for (let round = 0; round < 5; round++) {
      answer = refuse;
      expect(await ask()).to.deep.equal(GOOD);
      time.pass(40_000);
      expect(await ask()).to.deep.equal(GOOD);
      answer = () => Promise.resolve('other');
      expect(await ask()).to.deep.equal(BOTH);
    }
    answer = refuse;
    await ask();
    time.pass(3_600_000);
    expect(await ask()).to.deep.equal(GOOD);
  });

  it('counts what fails at one moment once, however long after it the next failure comes', async () => {
    const { ask } = begin();
    answer = refuse;
    for (const passed of [0, 3_600_000, 3_600_000]) {
      time.pass(passed);
      const answers = await Promise.all(Array.from({ length: 6 }, () => ask()));
      expect(answers.at(-1)).to.deep.equal(GOOD);
    }
    // The fourth in a row: who asks once an hour is not put off for ever.
    time.pass(3_600_000);
    expect(await ask()).to.deep.equal({ heard: ['good'], unheard: [] });
  });

  it('asks once more, before it takes one for away that last failed long ago', async () => {
    const { ask, hearings } = begin();
    const hearHeads = hearings.of('heads');
    answer = refuse;
    for (let times = 0; times < 5; times++) {
      await ask();
      time.pass(20_000);
    }
    expect(await ask(), 'away').to.deep.equal({ heard: ['good'], unheard: [] });
    answer = () => Promise.resolve('other');
    await ask(hearHeads);
    time.pass(7 * 86_400_000);
    let refusals = 0;
    answer = () => (refusals++ === 0 ? refuse() : Promise.resolve('other'));
    expect(await ask()).to.deep.equal(BOTH);
    answer = refuse;
    expect(await ask(), 'nothing is left of what was').to.deep.equal(GOOD);
  });

  for (const how of ['refuses', 'is silent'] as const) {
    it(`has not heard one that is being asked once more, whoever asks it meanwhile (it ${how})`, async () => {
      const { ask, hearings } = begin();
      answer = refuse;
      for (let times = 0; times < 5; times++) {
        await ask();
        time.pass(20_000);
      }
      answer = () => Promise.resolve('other');
      await ask(hearings.of('heads'));
      time.pass(7 * 86_400_000);
      logged = [];
      answer = how === 'refuses' ? refuse : beSilent;
      const first = ask();
      await sleep(300);
      expect([await ask(), hearings.listAway(), logged]).to.deep.equal([GOOD, [], []]);
      answer = refuse;
      expect(await first, 'away after all').to.deep.equal({ heard: ['good'], unheard: [] });
      expect(hearings.listAway()).to.deep.equal([1]);
      expect(logged).to.have.length(1);
      expect(await ask()).to.deep.equal({ heard: ['good'], unheard: [] });
    });
  }

  it('takes one that answers nothing for away in every kind of question', async () => {
    const { ask, hearings } = begin();
    answer = refuse;
    for (let times = 0; times < 4; times++) {
      await ask(hearings.of(`kind ${times}`));
      time.pass(20_000);
    }
    expect(await ask(hearings.of('another kind'))).to.deep.equal({ heard: ['good'], unheard: [] });
    answer = () => Promise.resolve('other');
    await ask();
    answer = refuse;
    expect(await ask(hearings.of('one more'))).to.deep.equal(GOOD);
  });

  it('judges each kind of question by itself, where it answers any', async () => {
    const { ask, hearings } = begin();
    const [hearBlocks, hearHeads] = [hearings.of('blocks'), hearings.of('heads')];
    for (let times = 0; times < 5; times++) {
      answer = refuse;
      await ask();
      answer = () => Promise.resolve('other');
      await ask(hearHeads);
      time.pass(20_000);
    }
    answer = refuse;
    expect(await ask()).to.deep.equal({ heard: ['good'], unheard: [] });
    expect(await ask(hearBlocks), 'the first one of its kind').to.deep.equal(GOOD);
    answer = () => Promise.resolve('other');
    expect(await ask(hearBlocks)).to.deep.equal(BOTH);
    expect(hearings.listAway()).to.deep.equal([1]);
    time.pass(600_000);
    expect(hearings.listAway(), 'nothing of the kind was asked lately').to.deep.equal([]);
  });
});
