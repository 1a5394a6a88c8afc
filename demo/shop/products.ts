/** The symbol of the token that prices are in. */
export const CURRENCY = 'TUSD';

export interface Product {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly emoji: string;
  /** In whole tokens, as a person writes it. */
  readonly price: string;
}

export const PRODUCTS: readonly Product[] = [
  {
    id: 'espresso',
    name: 'Espresso',
    description: 'Short, dark, from beans roasted this week.',
    emoji: '☕',
    price: '2.50',
  },
  {
    id: 'notebook',
    name: 'Notebook',
    description: 'Dotted paper, lies flat, survives a rucksack.',
    emoji: '📓',
    price: '12.90',
  },
  {
    id: 'headphones',
    name: 'Headphones',
    description: 'Closed, light, with a cable that can be replaced.',
    emoji: '🎧',
    price: '89.00',
  },
];

/** Undefined for anything but the id of a product, whatever was posted. */
export function findProduct(id: unknown): Product | undefined {
  return PRODUCTS.find((product) => product.id === id);
}
