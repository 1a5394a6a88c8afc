import { expect } from 'chai';

import { createEndpointLanes, MAX_POSTS_AT_ONCE, type EndpointLanes } from '../../domain/webhooks/endpointLanes.ts';
import { answerWith, createTestClock, type TestClock } from './support.ts';

describe('webhooks: endpoint lanes', () => {
  let lanes: EndpointLanes;
  let clock: TestClock;

  beforeEach(() => {
    lanes = createEndpointLanes();
    clock = createTestClock();
  });

  function enter(deliveryId: string, endpointId = 'we_1') {
    return lanes.enter({ endpointId, deliveryId, now: clock.now(), random: 0 });
  }
  function leave(deliveryId: string, outcome = answerWith(200)) {
    lanes.leave({ endpointId: 'we_1', deliveryId, now: clock.now(), outcome });
  }
  function fill() {
    for (let place = 0; place < MAX_POSTS_AT_ONCE; place++) expect(enter(`wd_${place}`)).to.equal(undefined);
  }
  function delayMsOf(at: Date | undefined): number {
    if (at === undefined) throw new Error('it was let in');
    return at.getTime() - clock.now().getTime();
  }

  it('lets in a few at a time, for each endpoint', () => {
    fill();
    expect(enter('wd_x')).to.be.instanceOf(Date);
    expect(enter('wd_y', 'we_2')).to.equal(undefined);
    leave('wd_0');
    expect(enter('wd_x')).to.equal(undefined);
  });

  it('never lets the same delivery in twice', () => {
    expect(enter('wd_0')).to.equal(undefined);
    expect(enter('wd_0')).to.be.instanceOf(Date);
    leave('wd_0');
    expect(enter('wd_0')).to.equal(undefined);
  });

  it('asks a backlog to come back at the pace at which a hanging endpoint frees its lane', () => {
    fill();
    clock.advance(8_000);
    const delays = Array.from({ length: 10 }, (_, index) => delayMsOf(enter(`wd_waiting_${index}`)));
    expect(delays).to.deep.equal(Array.from({ length: 10 }, (_, index) => (index + 1) * 2_000));
  });

  it('lets a backlog wait a minute at most', () => {
    fill();
    clock.advance(15_000);
    const delays = Array.from({ length: 100 }, (_, index) => delayMsOf(enter(`wd_waiting_${index}`)));
    expect(Math.max(...delays)).to.equal(60_000);
  });

  it('asks a quick endpoint’s deliveries to come back soon', () => {
    fill();
    expect(delayMsOf(enter('wd_x'))).to.equal(250);
  });

  for (const statusCode of [429, 502, 504]) {
    it(`posts one at a time after a ${statusCode}, until a success`, () => {
      expect(enter('wd_0')).to.equal(undefined);
      leave('wd_0', answerWith(statusCode));
      expect(enter('wd_1')).to.equal(undefined);
      expect(enter('wd_2')).to.be.instanceOf(Date);
      leave('wd_1', answerWith(500));
      expect(enter('wd_1')).to.equal(undefined);
      expect(enter('wd_2')).to.be.instanceOf(Date);
      leave('wd_1', answerWith(200));
      fill();
    });
  }

  it('leaves an endpoint alone for as long as it asked, five minutes at most', () => {
    expect(enter('wd_0')).to.equal(undefined);
    leave('wd_0', answerWith(503, { retryAfterSeconds: 30 }));
    expect(delayMsOf(enter('wd_1'))).to.be.at.least(30_000);
    clock.advance(30_000);
    expect(enter('wd_1')).to.equal(undefined);
    leave('wd_1', answerWith(503, { retryAfterSeconds: 86_400 }));
    clock.advance(300_000);
    expect(enter('wd_1')).to.equal(undefined);
  });

  it('gives the place back when nothing was posted', () => {
    fill();
    lanes.leave({ endpointId: 'we_1', deliveryId: 'wd_0', now: clock.now(), outcome: undefined });
    expect(enter('wd_x')).to.equal(undefined);
  });
});
