import { expect } from 'chai';
import fc from 'fast-check';

import { escapeHtml, html } from '../../demo/shop/html.ts';

describe('demo shop: html', () => {
  it('escapes values, and keeps markup that is html itself', () => {
    const inner = html`<b>${'a & b'}</b>`;
    expect(
      html`<p title="${'"x"'}">${inner}${[inner, inner]}${undefined}${false}${0}</p>`.text,
    ).to.equal('<p title="&quot;x&quot;"><b>a &amp; b</b><b>a &amp; b</b><b>a &amp; b</b>0</p>');
  });

  it('leaves nothing that could end a text or a quoted attribute, and loses nothing', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', 'a', ';', '$&') }),
        (text) => {
          const escaped = escapeHtml(text);
          expect(escaped).not.to.match(/[<>"']/);
          const back = escaped
            .replaceAll('&lt;', '<')
            .replaceAll('&gt;', '>')
            .replaceAll('&quot;', '"')
            .replaceAll('&#39;', "'")
            .replaceAll('&amp;', '&');
          expect(back).to.equal(text);
        },
      ),
    );
  });
});
