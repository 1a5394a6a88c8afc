import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';

import { createSecretBox } from '../../platform/secretBox.ts';

describe('the secret box', () => {
  const key = randomBytes(32);
  const box = createSecretBox(key);
  const sealed = box.seal('whsec_a secret');

  it('opens what it sealed, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => box.open(box.seal(text)) === Buffer.from(text, 'utf8').toString('utf8'),
      ),
    );
  });

  it('seals the same text differently each time, and shows nothing of it', () => {
    expect(box.seal('whsec_a secret')).not.to.equal(sealed);
    expect(sealed).to.match(/^v1\.[\w-]{16}\.[\w-]{22}\.[\w-]+$/);
    expect(Buffer.from(sealed.split('.')[3] ?? '', 'base64url').toString()).not.to.contain(
      'secret',
    );
  });

  it('is not opened with another key', () => {
    expect(() => createSecretBox(randomBytes(32)).open(sealed)).to.throw();
  });

  it('notices a change of any bit of the vector, the tag and the text', () => {
    const parts = sealed.split('.');
    for (const index of [1, 2, 3]) {
      const bytes = Buffer.from(parts[index] ?? '', 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        const tampered = parts
          .map((part, at) => (at === index ? changed.toString('base64url') : part))
          .join('.');
        expect(() => box.open(tampered), `part ${index}, bit ${bit}`).to.throw();
      }
    }
  });

  it('does not take a tag that was cut short', () => {
    const [version, iv, tag = '', text] = sealed.split('.');
    for (const length of [0, 4, 8, 12, 15]) {
      const short = Buffer.from(tag, 'base64url').subarray(0, length).toString('base64url');
      expect(() => box.open([version, iv, short, text].join('.')), `${length} bytes`).to.throw();
    }
  });

  for (const text of [
    '',
    'v1',
    'v1.a.b',
    sealed.replace('v1', 'v2'),
    sealed.split('.').slice(1).join('.'),
    'plain text',
  ]) {
    it(`does not open ${JSON.stringify(text.slice(0, 12))}…`, () => {
      expect(() => box.open(text)).to.throw();
    });
  }
});
