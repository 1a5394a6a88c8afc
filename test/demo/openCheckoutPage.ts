import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';

/** As wallets offer it to pages (EIP-1193). */
export interface FakeWallet {
  request(call: { method: string; params?: readonly unknown[] }): Promise<unknown>;
}

export interface CheckoutPage {
  click(way: string): Promise<void>;
  isHidden(selector: string): boolean;
  text(selector: string): string;
  /** The items of a list. */
  items(selector: string): string[];
  /** Resolves when the script has nothing more to follow. */
  readonly finished: Promise<void>;
  /**
   * As when the customer leaves: one that is not finished would follow its payment for ever, the
   * shop's end included.
   */
  close(): void;
}

/** As much of a DOM element as the page's script touches. */
class FakeElement {
  hidden = false;
  disabled = false;
  textContent = '';
  className = '';
  children: FakeElement[] = [];
  readonly dataset: Record<string, string>;
  readonly classes = new Set<string>();
  readonly classList = {
    toggle: (name: string, on: boolean) =>
      on ? this.classes.add(name) : this.classes.delete(name),
  };
  onClick: () => unknown = () => undefined;

  constructor(dataset: Record<string, string> = {}) {
    this.dataset = dataset;
  }
  addEventListener(_type: 'click', listener: () => unknown): void {
    this.onClick = listener;
  }
  append(...items: FakeElement[]): void {
    this.children.push(...items);
  }
  replaceChildren(...items: FakeElement[]): void {
    this.children = items;
  }
}

/**
 * Runs the script of a checkout page, as the shop sends both, against a DOM that has just what the
 * script needs.
 */
export async function openCheckoutPage(
  url: string,
  wallet: FakeWallet | undefined,
): Promise<CheckoutPage> {
  const page = await (await fetch(url)).text();
  const described = unescapeHtml(/data-payment="([^"]*)"/.exec(page)?.[1] ?? '');
  const buttons = [...page.matchAll(/data-pay="([^"]*)"/g)].map(
    ([, way]) => new FakeElement({ pay: way ?? '' }),
  );
  const elements = new Map<string, FakeElement>();
  const find = (selector: string): FakeElement => {
    if (!page.includes(`id="${selector.slice(1)}"`)) throw new Error(`the page has no ${selector}`);
    const element = elements.get(selector) ?? new FakeElement();
    elements.set(selector, element);
    return element;
  };
  find('#progress').children = [...page.matchAll(/data-step="([^"]*)"/g)].map(
    ([, step]) => new FakeElement({ step: step ?? '' }),
  );
  const checkout = {
    dataset: { payment: described },
    querySelector: find,
    querySelectorAll: () => buttons,
  };

  const script = readFileSync(join(PROJECT_ROOT, 'demo', 'shop', 'public', 'checkout.js'), 'utf8');
  let isOpen = true;
  const never = new Promise<never>(() => undefined);
  const finished = runInNewContext(`(async () => { ${script} })()`, {
    document: { querySelector: () => checkout, createElement: () => new FakeElement() },
    window: { ethereum: wallet },
    fetch: (path: string, options?: RequestInit) =>
      isOpen ? fetch(new URL(path, url), options) : never,
    setTimeout: (work: () => void, ms: number) => setTimeout(() => isOpen && work(), ms),
    crypto,
    TextDecoderStream,
  }) as Promise<void>;

  return {
    finished,
    close() {
      isOpen = false;
    },
    async click(way) {
      await buttons.find(({ dataset }) => dataset['pay'] === way)?.onClick();
    },
    isHidden: (selector) => find(selector).hidden,
    text: (selector) => find(selector).textContent,
    items: (selector) => find(selector).children.map(({ textContent }) => textContent),
  };
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
