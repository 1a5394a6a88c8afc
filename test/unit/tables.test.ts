import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import ts from 'typescript';

import { FOREIGN_READS, TABLES } from '../../db/tables.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';

const FOLDERS = ['domain', 'platform', 'adapters', 'workers', 'cli', 'api'];

/** The two that take the name of a table from their callers. */
const ANY_TABLE = new Set(['platform/updateRows.ts']);

interface Mention {
  /** Relative to the project, with slashes. */
  readonly file: string;
  readonly table: string;
  /** `reads`, or what the statement does to rows. */
  readonly verb: 'reads' | 'writes' | 'locks';
}

/** Every SQL statement, or part of one, in a file: strings and templates. */
function listTexts(source: ts.SourceFile): string[] {
  const texts: string[] = [];
  const visit = (node: ts.Node) => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) texts.push(node.text);
    if (ts.isTemplateExpression(node))
      texts.push(
        [
          node.head.text,
          ...node.templateSpans.flatMap(({ literal }) => ['${…}', literal.text]),
        ].join(''),
      );
    // db('payments'), trx.from('payments'), { table: 'payments' }
    if (ts.isCallExpression(node)) {
      const [first] = node.arguments;
      const called = node.expression.getText(source);
      if (
        first !== undefined &&
        ts.isStringLiteral(first) &&
        first.text in TABLES &&
        /^(db|trx|knex|connection|ctx\.db|unit\.trx)$|\.(table|from|into|join|leftJoin)$/.test(
          called,
        )
      )
        texts.push(`UPDATE ${first.text}`);
    }
    if (
      ts.isPropertyAssignment(node) &&
      node.name.getText(source) === 'table' &&
      ts.isStringLiteral(node.initializer)
    )
      texts.push(`UPDATE ${node.initializer.text}`);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return texts;
}

/** Names after the words of SQL that a table's name follows, lists with commas included. */
const NAMED =
  /\b(FROM|JOIN|INTO|(?<!FOR |KEY )UPDATE|TABLE)\s+(?:IGNORE\s+|ONLY\s+)?((?:`?[\w$…{}]+`?(?:\s+(?:AS\s+)?[a-z]\w{0,15})?)(?:\s*,\s*`?[a-z_]{3,}`?(?:\s+[a-z]\w{0,15})?)*)/g;

function listNames(text: string): string[] {
  return [...text.matchAll(NAMED)].flatMap(([, , names = '']) =>
    names.split(',').map((name) => name.trim().replace(/`/g, '').split(/\s/)[0] ?? ''),
  );
}

function listMentions(file: string): Mention[] {
  const path = join(PROJECT_ROOT, file);
  const source = ts.createSourceFile(
    path,
    readFileSync(path, 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  return listTexts(source).flatMap((text) =>
    listNames(text).map((table) => ({
      file,
      table,
      verb: /\b(FOR UPDATE|FOR SHARE|LOCK IN SHARE MODE)\b/.test(text)
        ? ('locks' as const)
        : /^\s*\(?SELECT\b/.test(text) || !/\b(INSERT|UPDATE|DELETE|TABLE)\b/.test(text)
          ? ('reads' as const)
          : ('writes' as const),
    })),
  );
}

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(PROJECT_ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name.split(sep).join('/')}`),
);
const mentions = files.flatMap(listMentions);
const isIn = (file: string, folder: string) => file.startsWith(`${folder}/`);

describe('the tables and their owners', () => {
  it('are found in the SQL: each table is read or written by its owner', () => {
    for (const [table, owner] of Object.entries(TABLES).filter(([, folder]) => folder !== 'db'))
      expect(
        mentions.filter((mention) => mention.table === table && isIn(mention.file, owner)),
        table,
      ).not.to.be.empty;
  });

  it('a table is named only by its owner: others ask its module', () => {
    const foreign = mentions
      .filter(({ file, table }) => {
        const owner = TABLES[table];
        return owner !== undefined && !isIn(file, owner);
      })
      .filter(
        ({ file, table, verb }) =>
          verb !== 'reads' ||
          !FOREIGN_READS.some((one) => one.table === table && isIn(file, one.folder)),
      );
    expect(foreign).to.deep.equal([]);
  });

  it('exceptions are in use, of tables and folders that there are', () => {
    for (const { folder, table, why } of FOREIGN_READS) {
      expect(TABLES, table).to.have.property(table);
      expect(why).not.to.equal('');
      expect(
        mentions.some((mention) => mention.table === table && isIn(mention.file, folder)),
        `${folder} reads ${table}`,
      ).to.equal(true);
    }
  });

  it('a name that is put together at run time is nobody’s', () => {
    const composed = mentions.filter(
      ({ file, table }) => table.includes('{') && !ANY_TABLE.has(file),
    );
    expect(composed).to.deep.equal([]);
  });

  it('what else is named is the server’s own, or of the statement itself', () => {
    const others = mentions.filter(({ table }) => !(table in TABLES) && !table.includes('{'));
    expect(others.map(({ file, table }) => `${file}: ${table}`)).to.deep.equal([]);
  });
});
