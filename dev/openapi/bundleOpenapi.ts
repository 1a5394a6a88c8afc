import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { parse, stringify } from 'yaml';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { applyCommonParts } from './applyCommonParts.ts';
import type { Document } from './document.ts';

const ENTRY = 'api/openapi/openapi.yaml';
export const BUNDLE = 'openapi.yaml';

const HEADING = `# Made of ${ENTRY} and the parts that it names: change those, then npm run openapi.\n`;

/** @returns the text of openapi.yaml, as its parts make it */
export async function bundleOpenapi(): Promise<string> {
  assertPartsAreWhereTheyBelong();
  const document = applyCommonParts(await followRefs());
  const text = HEADING + stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });
  const style = await resolveConfig(join(PROJECT_ROOT, BUNDLE));
  return format(text, { ...style, parser: 'yaml' });
}

/** Redocly's bundler: every `$ref` to another file becomes one to a component. */
async function followRefs(): Promise<Document> {
  const scratch = mkdtempSync(join(tmpdir(), 'msqpay-openapi-'));
  try {
    const output = join(scratch, BUNDLE);
    const redocly = join(PROJECT_ROOT, 'node_modules', '.bin', 'redocly');
    await promisify(execFile)(
      redocly,
      ['bundle', ENTRY, '--output', output, '--component-renaming-conflicts-severity', 'error'],
      {
        cwd: PROJECT_ROOT,
        env: {
          ...process.env,
          REDOCLY_TELEMETRY: 'off',
          REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
        },
      },
    );
    return parse(readFileSync(output, 'utf8')) as Document;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * An operation is described beside its handler, in a file of its name.
 * @throws naming what is not so
 */
function assertPartsAreWhereTheyBelong(): void {
  const { paths } = parse(readFileSync(join(PROJECT_ROOT, ENTRY), 'utf8')) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly $ref: string }>>>>;
  };
  const named = Object.values(paths).flatMap((item) =>
    Object.values(item).map(({ $ref }) => relative('.', join('api/openapi', $ref))),
  );
  for (const part of named) {
    const { operationId } = parse(readFileSync(join(PROJECT_ROOT, part), 'utf8')) as {
      readonly operationId?: unknown;
    };
    if (operationId !== basename(part, '.yaml'))
      throw new Error(`${part} describes ${String(operationId)}: name it after that`);
    if (!existsSync(join(PROJECT_ROOT, part.replace(/\.yaml$/, '.ts'))))
      throw new Error(`${part} has no handler beside it`);
  }
  const unnamed = readdirSync(join(PROJECT_ROOT, 'api/routes'), { recursive: true })
    .map((file) => `api/routes/${String(file)}`)
    .filter((file) => file.endsWith('.yaml') && basename(file) !== 'schemas.yaml')
    .filter((file) => !named.includes(file));
  if (unnamed.length > 0) throw new Error(`no path in ${ENTRY} names ${unnamed.join(', ')}`);
}
