import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';

/** RFC 8259 lets a reader skip it. */
const BYTE_ORDER_MARK = '\uFEFF';

/**
 * What the text of a request's body says, when it says one thing only.
 *
 * JSON.parse takes the last of two members with one name, without a word: then a proxy, a log or a
 * signature check that takes the first has seen another amount than we did. A string with U+0000 or
 * half a surrogate pair cannot be stored and sent on as it is.
 *
 * @throws AppError `COMMON_ERRORS.validation`; its detail repeats nothing of the text
 */
export function parseJsonText(text: string): unknown {
  const value = parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
  if (typeof value !== 'object' || value === null) throw invalid('The body is not a JSON object.');
  const members = countMembers(value);
  if (members !== countColons(text))
    throw invalid('A name appears twice in an object of the body.');
  return value;
}

/** Says whether text can be stored and sent on as it is. */
export function isStorableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AppError(COMMON_ERRORS.validation, {
      detail: 'The body is not valid JSON.',
      cause: error,
    });
  }
}

/**
 * @throws AppError `COMMON_ERRORS.validation` for a name or a string that cannot be stored as it is
 */
function countMembers(value: object): number {
  let count = 0;
  // No recursion: the text may be nested as deeply as it is long.
  const open: object[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const isArray = Array.isArray(next);
    for (const [name, member] of Object.entries(next)) {
      if (!isArray) {
        count++;
        if (!isStorableText(name)) throw notStorable();
      }
      if (typeof member === 'string' && !isStorableText(member)) throw notStorable();
      if (typeof member === 'object' && member !== null) open.push(member as object);
    }
  }
  return count;
}

/**
 * In valid JSON each member of an object has one colon outside of strings, also those that
 * JSON.parse drops.
 */
function countColons(text: string): number {
  let count = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === 0x22) isInString = !isInString;
    else if (isInString && character === 0x5c) at++;
    else if (!isInString && character === 0x3a) count++;
  }
  return count;
}

function invalid(detail: string): AppError {
  return new AppError(COMMON_ERRORS.validation, { detail });
}

function notStorable(): AppError {
  return invalid('A text of the body has U+0000 or half of a surrogate pair in it.');
}
