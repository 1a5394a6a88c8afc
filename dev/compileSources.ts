import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { setImmediate as letOthersWork } from 'node:timers/promises';
import type * as Typescript from 'typescript';

/** What is not ours, or is made by other means. */
const FOREIGN = new Set(['node_modules', 'dist', '.dev', '.git', 'coverage']);
const HASH_LINE = /\n\/\/# sourceHash=([0-9a-f]+)\n$/;

/**
 * Compiles the tests, and what they test, file by file, for mocha and the programs that tests
 * start: from source, the loader sees every module that a process imports, those of the packages
 * too, which takes two and a half times as much of a core.
 *
 * What was compiled is kept, and only what changed since is compiled anew; several processes may do
 * it at once. Types are for `npm run check`.
 * @param root with its tsconfig.json
 * @param folder somewhere below, so that the packages are found from there
 * @returns which files were compiled, from the root
 */
export async function compileSources(root: string, folder: string): Promise<string[]> {
  const sources = listFiles(root, '.ts');
  const compiler = createRequire(import.meta.url)('typescript/package.json') as { version: string };
  const setting = readFileSync(join(root, 'tsconfig.json'), 'utf8') + compiler.version;
  const compiled: string[] = [];
  let compile: Compile | undefined;
  for (const source of sources) {
    const text = readFileSync(join(root, source), 'utf8');
    const hash = createHash('sha256').update(setting).update(text).digest('hex');
    const output = join(folder, toOutput(source));
    if (readHash(output) === hash) continue;
    compile ??= await loadCompiler(root);
    const { code, map } = compile(text, { from: join(root, source), to: output });
    mkdirSync(dirname(output), { recursive: true });
    // In one with its code, so that no hash is ever taken for that of something else.
    replaceFile(`${output}.map`, map);
    replaceFile(output, `${code}\n//# sourceHash=${hash}\n`);
    compiled.push(source);
    await letOthersWork();
  }
  const outputs = new Set(sources.map(toOutput));
  for (const output of listFiles(folder, '.js'))
    if (!outputs.has(output)) rmSync(join(folder, output), { force: true });
  return compiled;
}

type Compile = (
  text: string,
  path: { readonly from: string; readonly to: string },
) => { readonly code: string; readonly map: string };

/** Loaded only when something is to be compiled: it is large. */
async function loadCompiler(root: string): Promise<Compile> {
  const typescript = createRequire(import.meta.url)('typescript') as typeof Typescript;
  const path = join(root, 'tsconfig.json');
  const { config } = typescript.readConfigFile(path, (name) => readFileSync(name, 'utf8')) as {
    config: { compilerOptions: object };
  };
  const { options, errors } = typescript.convertCompilerOptionsFromJson(
    config.compilerOptions,
    root,
  );
  if (errors.length > 0)
    throw new Error(
      `${path}: ${errors.map(({ messageText }) => JSON.stringify(messageText)).join(', ')}`,
    );
  // One file by itself: the compiler does not look at package.json, which says that all are ES
  // modules.
  const format = {
    module: typescript.ModuleKind.ESNext,
    moduleResolution: typescript.ModuleResolutionKind.Bundler,
  };
  const compilerOptions = { ...options, ...format, noEmit: false, sourceMap: true };
  return (text, { from, to }) => {
    const result = typescript.transpileModule(text, {
      compilerOptions,
      fileName: from,
      reportDiagnostics: true,
    });
    const [mistake] = result.diagnostics ?? [];
    if (mistake !== undefined)
      throw new Error(
        `${from}: ${typescript.flattenDiagnosticMessageText(mistake.messageText, '\n')}`,
      );
    const map = JSON.parse(result.sourceMapText ?? '{}') as object;
    return {
      code: result.outputText.trimEnd(),
      map: JSON.stringify({ ...map, sourceRoot: '', sources: [relative(dirname(to), from)] }),
    };
  };
}

function replaceFile(path: string, text: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}

function readHash(output: string): string | undefined {
  return existsSync(output) ? HASH_LINE.exec(readFileSync(output, 'utf8'))?.[1] : undefined;
}

function toOutput(source: string): string {
  return source.replace(/\.ts$/, '.js');
}

/** From `root`, in its folders too. */
function listFiles(root: string, ending: string, folder = ''): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return FOREIGN.has(entry.name) ? [] : listFiles(root, ending, path);
    return entry.name.endsWith(ending) ? [path] : [];
  });
}
