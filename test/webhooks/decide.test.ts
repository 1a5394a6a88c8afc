import { expect } from 'chai';
import fc from 'fast-check';

import {
  decideDelivery,
  decideFirstAttemptAt,
  findUrlRefusal,
  wantsEvent,
} from '../../domain/webhooks/decide.ts';
import { isLocalHostName, isPublicAddress } from '../../domain/webhooks/publicAddress.ts';

const NOW = new Date('2026-01-02T03:04:05.000Z');
const SCHEDULE = [0, 5, 300, 86_400];
const DAY_SECONDS = 86_400;

function decide(input: {
  statusCode: number | null;
  retryAfterSeconds?: number;
  number?: number;
  random?: number;
}) {
  return decideDelivery({
    outcome: { statusCode: input.statusCode, retryAfterSeconds: input.retryAfterSeconds ?? null },
    number: input.number ?? 1,
    scheduleSeconds: SCHEDULE,
    now: NOW,
    random: input.random ?? 0.5,
  });
}

function retryDelaySeconds(input: Parameters<typeof decide>[0]): number {
  const decision = decide(input);
  if (decision.kind !== 'retry') throw new Error(`expected a retry, not ${decision.kind}`);
  return (decision.at.getTime() - NOW.getTime()) / 1000;
}

describe('webhooks: what becomes of a delivery', () => {
  it('takes every 2xx for success and nothing else', () => {
    for (let statusCode = 100; statusCode < 600; statusCode++) {
      const expected =
        statusCode >= 200 && statusCode <= 299
          ? 'succeeded'
          : statusCode === 410
            ? 'endpointGone'
            : 'retry';
      expect(decide({ statusCode }).kind, String(statusCode)).to.equal(expected);
    }
    expect(decide({ statusCode: null }).kind).to.equal('retry');
  });

  it('follows the schedule', () => {
    expect(retryDelaySeconds({ statusCode: 500, number: 1 })).to.equal(5);
    expect(retryDelaySeconds({ statusCode: 302, number: 2 })).to.equal(300);
    expect(retryDelaySeconds({ statusCode: null, number: 3 })).to.equal(DAY_SECONDS);
  });

  it('gives up when the schedule is used up, whatever the receiver asks for', () => {
    expect(decide({ statusCode: 500, number: 4 }).kind).to.equal('failed');
    expect(decide({ statusCode: 429, number: 4, retryAfterSeconds: 1 }).kind).to.equal('failed');
  });

  it('succeeds and disables on the last attempt too', () => {
    expect(decide({ statusCode: 200, number: 4 }).kind).to.equal('succeeded');
    expect(decide({ statusCode: 410, number: 4 }).kind).to.equal('endpointGone');
  });

  for (const statusCode of [429, 502, 504]) {
    it(`waits twice as long after a ${statusCode}, though not beyond a day`, () => {
      expect(retryDelaySeconds({ statusCode, number: 1 })).to.equal(10);
      expect(retryDelaySeconds({ statusCode, number: 2 })).to.equal(600);
      expect(retryDelaySeconds({ statusCode, number: 3 })).to.equal(DAY_SECONDS);
    });
  }

  it('waits as long as Retry-After says', () => {
    expect(retryDelaySeconds({ statusCode: 503, retryAfterSeconds: 120 })).to.equal(120);
  });

  it('never comes back earlier than the schedule because of Retry-After', () => {
    expect(retryDelaySeconds({ statusCode: 503, number: 2, retryAfterSeconds: 1 })).to.equal(300);
  });

  it('waits at most a day because of Retry-After', () => {
    expect(retryDelaySeconds({ statusCode: 503, retryAfterSeconds: 9_999_999_999 })).to.equal(
      DAY_SECONDS,
    );
  });

  it('stays within 20 % of the schedule, and within Retry-After and a day', () => {
    fc.assert(
      fc.property(
        fc.record({
          statusCode: fc.oneof(
            fc.constant(null),
            fc.integer({ min: 300, max: 599 }).filter((code) => code !== 410),
          ),
          retryAfterSeconds: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 1_000_000 })),
          scheduleSeconds: fc.array(fc.integer({ min: 0, max: DAY_SECONDS }), {
            minLength: 2,
            maxLength: 12,
          }),
          random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        }),
        fc.nat(),
        ({ statusCode, retryAfterSeconds, scheduleSeconds, random }, pick) => {
          const number = 1 + (pick % (scheduleSeconds.length - 1));
          const decision = decideDelivery({
            outcome: { statusCode, retryAfterSeconds },
            number,
            scheduleSeconds,
            now: NOW,
            random,
          });
          if (decision.kind !== 'retry') throw new Error(decision.kind);
          const delaySeconds = (decision.at.getTime() - NOW.getTime()) / 1000;
          const scheduled = scheduleSeconds[number] ?? 0;
          const asked = Math.min(retryAfterSeconds ?? 0, DAY_SECONDS);
          expect(delaySeconds).to.be.at.least(Math.max(scheduled * 0.8, asked) - 0.001);
          expect(delaySeconds).to.be.at.most(
            Math.max(Math.min(scheduled * 2, DAY_SECONDS) * 1.2, asked) + 0.001,
          );
        },
      ),
    );
  });

  it('spreads retries over the whole of the jitter', () => {
    expect(retryDelaySeconds({ statusCode: 500, number: 2, random: 0 })).to.equal(240);
    expect(retryDelaySeconds({ statusCode: 500, number: 2, random: 0.999_999 })).to.be.closeTo(
      360,
      0.01,
    );
  });

  it('makes the first attempt at once with the default schedule', () => {
    expect(decideFirstAttemptAt({ scheduleSeconds: SCHEDULE, now: NOW, random: 0 })).to.deep.equal(
      NOW,
    );
    expect(decideFirstAttemptAt({ scheduleSeconds: [10], now: NOW, random: 0.5 })).to.deep.equal(
      new Date(NOW.getTime() + 10_000),
    );
  });

  it('sends an endpoint the types that it named, or all', () => {
    expect(wantsEvent({ eventTypes: null }, 'payment.failed')).to.equal(true);
    expect(wantsEvent({ eventTypes: ['payment.completed'] }, 'payment.completed')).to.equal(true);
    expect(wantsEvent({ eventTypes: ['payment.completed'] }, 'payment.failed')).to.equal(false);
  });
});

describe('webhooks: which URLs are accepted', () => {
  const open = { allowPrivateNetworks: true, requireHttps: true };
  const closed = { allowPrivateNetworks: false, requireHttps: false };

  it('accepts public https URLs, and http ones outside of production', () => {
    expect(
      findUrlRefusal('https://shop.example/hooks?key=1', { ...closed, requireHttps: true }),
    ).to.equal(undefined);
    expect(findUrlRefusal('http://shop.example:8080/hooks', closed)).to.equal(undefined);
    expect(findUrlRefusal('https://8.8.8.8/', closed)).to.equal(undefined);
    expect(findUrlRefusal('https://[2606:4700::1111]/', closed)).to.equal(undefined);
  });

  it('refuses http in production', () => {
    expect(findUrlRefusal('http://shop.example/', { ...closed, requireHttps: true })).to.match(
      /https/,
    );
  });

  it('accepts local and unencrypted receivers where private networks are allowed', () => {
    expect(findUrlRefusal('http://127.0.0.1:3999/hooks', open)).to.equal(undefined);
    expect(findUrlRefusal('http://localhost:3999/hooks', open)).to.equal(undefined);
  });

  for (const url of [
    'ftp://shop.example/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'shop.example',
    '',
    'http://',
  ]) {
    it(`refuses ${JSON.stringify(url)} always`, () => {
      expect(findUrlRefusal(url, open)).to.be.a('string');
      expect(findUrlRefusal(url, closed)).to.be.a('string');
    });
  }

  it('refuses credentials in the URL, and does not repeat them', () => {
    for (const url of [
      'https://user:hunter2@shop.example/',
      'https://user@shop.example/',
      'https://:hunter2@shop.example/',
    ]) {
      expect(findUrlRefusal(url, open)).to.be.a('string').that.does.not.contain('hunter2');
    }
  });

  for (const host of [
    ...[
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '0',
      '10.0.0.1',
      '172.16.0.1',
      '192.168.1.1',
      '100.64.0.1',
    ],
    ...['169.254.169.254', '192.0.2.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '127.0.0.1.'],
    ...[
      '[::1]',
      '[::]',
      '[::ffff:127.0.0.1]',
      '[::127.0.0.1]',
      '[64:ff9b::10.0.0.1]',
      '[64:ff9b:1::a00:1]',
      '[2002:7f00:1::]',
      '[2001:0:7f00::]',
    ],
    ...[
      '[fe80::1]',
      '[fc00::1]',
      '[fd00:ec2::254]',
      '[fec0::1]',
      '[ff02::1]',
      '[2001:db8::1]',
      '[::ffff:0:127.0.0.1]',
    ],
    ...[
      'localhost',
      'LOCALHOST',
      'localhost.',
      'shop.localhost',
      'printer.local',
      'metadata.google.internal',
      'nas.home.arpa',
    ],
  ]) {
    it(`refuses the host ${host} where private networks are not allowed`, () => {
      expect(findUrlRefusal(`https://${host}/`, closed)).to.match(/private/);
    });
  }
});

describe('webhooks: public addresses', () => {
  it('judges an IPv4 address inside an IPv6 one as itself', () => {
    expect(isPublicAddress('::ffff:8.8.8.8')).to.equal(true);
    expect(isPublicAddress('64:ff9b::8.8.8.8')).to.equal(true);
    expect(isPublicAddress('64:ff9b::127.0.0.1')).to.equal(false);
  });

  it('agrees on every IPv4 address with its IPv4-mapped and NAT64 forms', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(isPublicAddress(`::ffff:${address}`)).to.equal(isPublicAddress(address));
        expect(isPublicAddress(`64:ff9b::${address}`)).to.equal(isPublicAddress(address));
      }),
    );
  });

  it('takes what is no address for not public', () => {
    for (const text of ['', 'shop.example', '1.2.3.4.5', '[::1]', '::1::'])
      expect(isPublicAddress(text), text).to.equal(false);
  });

  it('does not take a name for local because it ends alike', () => {
    expect(isLocalHostName('notlocalhost')).to.equal(false);
    expect(isLocalHostName('my-internal')).to.equal(false);
    expect(isLocalHostName('localhost.shop.example')).to.equal(false);
  });
});
