import { ERROR_KINDS, STATUS_OF_CATEGORY } from '../../api/http/problem.ts';
import type { ErrorCategory, ErrorKind } from '../../shared/errors.ts';
import { listCommonErrors } from './commonErrors.ts';
import {
  HTTP_METHODS,
  parsePart,
  type Components,
  type Document,
  type HttpMethod,
  type Operation,
} from './document.ts';

/**
 * Gives every operation what is the same for all: its path's parameters, the Idempotency-Key, the
 * parameters of a paged list, the errors that anybody may be answered with, and how an error looks.
 *
 * What every answer has is said here once, so another representation of all answers is a change of
 * `describeReply` and `describeProblem`.
 */
export function applyCommonParts(document: Document): Document {
  const { components } = document;
  return {
    ...document,
    paths: mapValues(document.paths, (item, path) => applyToPath(components, path, item)),
    components: {
      ...components,
      responses: mapValues(components.responses, describeProblem),
      schemas: describeErrorCodes(sortByName(components.schemas)),
    },
  };
}

function applyToPath(
  components: Components,
  path: string,
  item: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) =>
    refToPathParameter(components, String(name)),
  );
  return {
    ...(parameters.length === 0 ? {} : { parameters }),
    ...mapValues(item, (part, method) =>
      isMethod(method)
        ? applyToOperation(components, { path, method }, parsePart(`${method} ${path}`, part))
        : part,
    ),
  };
}

function refToPathParameter(components: Components, name: string): object {
  const found = Object.entries(components.parameters).find(
    ([, parameter]) => parameter.in === 'path' && parameter.name === name,
  );
  if (found === undefined) throw new Error(`no parameter of a path is called ${name}`);
  return refTo('parameters', found[0]);
}

function applyToOperation(
  components: Components,
  place: { readonly path: string; readonly method: HttpMethod },
  part: Operation,
): Operation {
  const { parameters: own = [], requestBody, responses, ...rest } = part;
  const codes = [...new Set([...part['x-error-codes'], ...listCommonErrors(place, part)])].sort();
  const parameters = [...describeKey(components, part), ...describePaging(part), ...own];
  return {
    ...rest,
    ...(part['x-permission'] === 'none' ? { security: [] } : {}),
    'x-error-codes': codes,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: {
      ...describeErrors(part.operationId, codes),
      // An operation's own reply comes before the common one.
      ...mapValues(responses, (reply, status) => describeReply(part, status, reply)),
    },
  };
}

function describeKey(
  components: Components,
  { 'x-idempotency': idempotency }: Operation,
): object[] {
  switch (idempotency) {
    case 'none':
      return [];
    case 'optional':
      return [refTo('parameters', 'IdempotencyKey')];
    case 'required':
      return [{ ...components.parameters['IdempotencyKey'], required: true }];
  }
}

function describePaging(part: Operation): object[] {
  return part['x-paged'] === true
    ? [refTo('parameters', 'Limit'), refTo('parameters', 'Cursor')]
    : [];
}

function describeErrors(operationId: string, codes: readonly string[]): Record<string, object> {
  return Object.fromEntries(
    codes.map((code) => {
      const kind = ERROR_KINDS.find((one) => one.code === code);
      if (kind === undefined) throw new Error(`${operationId}: there is no error ${code}`);
      return [statusOf(kind), refTo('responses', nameOfReply(kind.category))];
    }),
  );
}

/** A reply of an operation's own. */
function describeReply(part: Operation, status: string, reply: object): object {
  if (part['x-idempotency'] === 'none' || !status.startsWith('2')) return reply;
  const { description, headers, ...rest } = reply as Readonly<Record<string, object>>;
  const replayed = { 'Idempotent-Replayed': refTo('headers', 'IdempotentReplayed') };
  return { description, headers: { ...headers, ...replayed }, ...rest };
}

/** A reply that tells of an error: the same for all operations. */
function describeProblem(reply: object): object {
  return {
    ...reply,
    content: { 'application/problem+json': { schema: refTo('schemas', 'Problem') } },
  };
}

/**
 * The schema of error codes lists their meanings; the codes, and the table that people read, are
 * made of them.
 */
function describeErrorCodes(
  schemas: Readonly<Record<string, object>>,
): Readonly<Record<string, object>> {
  const { 'x-meanings': meanings, ...schema } = schemas['ErrorCode'] as {
    readonly 'x-meanings': Readonly<Record<string, string>>;
  };
  const rows = Object.entries(meanings).map(([code, meaning]) => {
    const kind = ERROR_KINDS.find((one) => one.code === code);
    if (kind === undefined) throw new Error(`there is no error ${code}, which has a meaning`);
    return `| ${code} | ${statusOf(kind)} | ${meaning} |\n`;
  });
  const description = `| code | status | meaning |\n|---|---|---|\n${rows.join('')}`;
  return { ...schemas, ErrorCode: { description, ...schema, enum: Object.keys(meanings) } };
}

function statusOf({ category }: ErrorKind): number {
  return STATUS_OF_CATEGORY[category];
}

/** `notFound` → `NotFound` */
function nameOfReply(category: ErrorCategory): string {
  return category.charAt(0).toUpperCase() + category.slice(1);
}

function refTo(section: string, name: string): object {
  return { $ref: `#/components/${section}/${name}` };
}

function isMethod(name: string): name is HttpMethod {
  return (HTTP_METHODS as readonly string[]).includes(name);
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  change: (value: From, key: string) => To,
): Record<string, To> {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [key, change(value, key)]),
  );
}

/** So that a bundle changes only where its parts did. */
function sortByName<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
