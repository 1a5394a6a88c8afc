/**
 * Something in the environment or in a file that it names is wrong. The message is for the
 * operator, and never holds a value.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
