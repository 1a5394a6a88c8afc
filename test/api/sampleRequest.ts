import {
  readOpenapiDocument,
  type DescribedOperation,
  type OpenapiDocument,
} from '../../api/http/openapiDocument.ts';

/** A request that openapi.yaml takes for well-formed, whatever the server makes of it. */
export interface SampleRequest {
  /** Relative to /api/v1, with its query. */
  readonly path: string;
  readonly method: string;
  /** The body; absent where the operation takes none. */
  readonly json?: unknown;
}

interface Schema {
  readonly $ref?: string;
  readonly examples?: readonly unknown[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly minimum?: number;
  readonly allOf?: readonly Schema[];
}

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Item {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly content: Readonly<
      Record<string, { readonly schema: Schema; readonly example?: unknown }>
    >;
  };
}

/**
 * Made of the operation's parameters and examples, so that no test lists operations by hand: what
 * is required and nothing else.
 * @param ids what to put in the path in place of the examples, by the parameter's name
 * @throws naming the operation and what of it has no example
 */
export function makeSampleRequest(
  operation: DescribedOperation,
  ids: Readonly<Record<string, string>> = {},
): SampleRequest {
  const { operationId, method } = operation;
  const document = readOpenapiDocument();
  const item = document.paths[operation.path] as Readonly<Record<string, Item>> & Item;
  const described = item[method] ?? {};
  const parameters = [...(item.parameters ?? []), ...(described.parameters ?? [])].map(
    (parameter) => follow<Parameter>(document, parameter),
  );
  const sample = ({ name, schema }: Parameter) => {
    const value = ids[name] ?? makeSample(document, schema, `${operationId}, ${name}`);
    return encodeURIComponent(String(value));
  };
  const path = operation.path.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    const parameter = parameters.find((one) => one.in === 'path' && one.name === name);
    if (parameter === undefined) throw new Error(`${operationId}: {${name}} is not described`);
    return sample(parameter);
  });
  const query = parameters
    .filter((parameter) => parameter.in === 'query' && parameter.required === true)
    .map((parameter) => `${parameter.name}=${sample(parameter)}`);
  const media = described.requestBody?.content['application/json'];
  return {
    path: query.length === 0 ? path : `${path}?${query.join('&')}`,
    method: method.toUpperCase(),
    ...(media === undefined
      ? {}
      : { json: media.example ?? makeSample(document, media.schema, `${operationId}, body`) }),
  };
}

/** The names of the parameters in the operation's path. */
export function listIdsInPath({ path }: DescribedOperation): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => String(name));
}

function makeSample(document: OpenapiDocument, unresolved: Schema, where: string): unknown {
  const schema = follow<Schema>(document, unresolved);
  if (schema.examples !== undefined) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  switch (schema.type) {
    case 'object':
      return Object.assign(
        {},
        ...(schema.allOf ?? []).map((part) => makeSample(document, part, where)),
        Object.fromEntries(
          (schema.required ?? []).map((name) => [
            name,
            makeSample(document, schema.properties?.[name] ?? {}, `${where}/${name}`),
          ]),
        ),
      );
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 }, () =>
        makeSample(document, schema.items ?? {}, `${where}[]`),
      );
    case 'integer':
    case 'number':
      return schema.minimum ?? 0;
    case 'boolean':
      return false;
    default:
      throw new Error(`${where} has no example in openapi.yaml to make a request of`);
  }
}

/** What stands beside a `$ref` comes before what it leads to. */
function follow<T extends { readonly $ref?: string }>(document: OpenapiDocument, node: T): T {
  const { $ref, ...own } = node;
  if ($ref === undefined) return node;
  const target = $ref
    .slice('#/'.length)
    .split('/')
    .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], document);
  return { ...follow(document, target as T), ...own };
}
