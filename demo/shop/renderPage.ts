import { html, type Html } from './html.ts';

/** The frame around every page. */
export function renderPage({
  title,
  script,
  body,
}: {
  title: string;
  script?: string;
  body: Html;
}): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <link rel="icon" href="/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/shop.css" />
        ${script !== undefined && html`<script src="${script}" type="module"></script>`}
      </head>
      <body>
        <header>
          <a href="/">The Demo Shop</a>
          <span>paid with MSQPay</span>
        </header>
        <main>${body}</main>
      </body>
    </html>`.text;
}
