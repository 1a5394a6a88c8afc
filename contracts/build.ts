/**
 * Compiles the contracts to `contracts/generated/`: one TypeScript file a contract, with its ABI
 * and creation bytecode.
 *
 *   node --import tsx contracts/build.ts            compiles when something changed
 *   node --import tsx contracts/build.ts --force    compiles in any case
 *   node --import tsx contracts/build.ts --check    compiles nothing; exits 1 when the generated
 *                                                   files are out of date
 *
 * The generated files are committed. `.sources-hash` beside them holds two hashes: of all that goes
 * in (sources, settings, versions) and of all that came out, so that an edited source and an edited
 * result are both noticed.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface BuildOptions {
  /** Compile even if nothing changed. */
  force?: boolean;
  /** Compile nothing; only tell whether the generated files are current. */
  check?: boolean;
  /** Instead of GENERATED_FOLDER. */
  folder?: string;
}

/** `outdated` is answered to `check` only. */
export type BuildResult = { status: 'current' | 'compiled' | 'outdated'; files: string[] };

/** Raised by 1 when the layout of the generated files changes. */
const OUTPUT_FORMAT = 1;

/** `runs` favours cheap calls over a cheap deployment, which happens once. */
const SETTINGS = {
  evmVersion: 'cancun',
  viaIR: true,
  optimizer: { enabled: true, runs: 1_000_000 },
  // Without the hash of the metadata the bytecode depends on the code only, not on comments or file
  // names.
  metadata: { bytecodeHash: 'none', appendCBOR: false },
};

/** Warnings that are known and answered. */
const ACCEPTED_WARNINGS = [
  // Transient storage outlives the call: OpenZeppelin's reentrancy guard clears it at the end,
  // which the warning itself calls safe.
  { errorCode: '2394', file: '@openzeppelin/contracts/utils/TransientSlot.sol' },
];

const root = findRoot(dirname(fileURLToPath(import.meta.url)));
const sourceFolder = join(root, 'contracts', 'src');
/** Where what is compiled is kept. */
export const GENERATED_FOLDER = join(root, 'contracts', 'generated');

interface Diagnostic {
  severity: 'error' | 'warning' | 'info';
  errorCode?: string;
  formattedMessage: string;
  sourceLocation?: { file: string };
}
interface CompiledContract {
  abi: unknown[];
  evm: { bytecode: { object: string } };
}
interface CompilerOutput {
  errors?: Diagnostic[];
  contracts?: Record<string, Record<string, CompiledContract>>;
}

/**
 * Compiles if needed. Rejects with the compiler's words on any error or warning; nothing is written
 * then.
 */
export async function buildContracts(options: BuildOptions = {}): Promise<BuildResult> {
  const sources = readSources();
  const sourcesHash = hashOf({
    format: OUTPUT_FORMAT,
    settings: SETTINGS,
    solc: packageVersion('solc'),
    openzeppelin: packageVersion('@openzeppelin/contracts'),
    sources,
  });
  const { folder = GENERATED_FOLDER } = options;
  const hashFile = join(folder, '.sources-hash');
  const present = listFiles(folder, '.ts');
  const recorded = existsSync(hashFile) ? readFileSync(hashFile, 'utf8').trim() : '';
  const current = recorded === `${sourcesHash} ${hashOfFiles(folder, present)}`;
  if (options.check === true) return { status: current ? 'current' : 'outdated', files: present };
  if (current && options.force !== true) return { status: 'current', files: present };

  const files = await compile(sources);
  for (const path of present) rmSync(join(folder, path));
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const written = listFiles(folder, '.ts');
  writeFileSync(hashFile, `${sourcesHash} ${hashOfFiles(folder, written)}\n`);
  return { status: 'compiled', files: written };
}

interface Compiler {
  compile(input: string, callbacks: { import: typeof readImport }): string;
}

/**
 * Loaded only when needed (9 MB). It makes the whole process listen for unhandled rejections, which
 * is taken back.
 */
async function loadCompiler(): Promise<Compiler> {
  const before = process.listeners('unhandledRejection');
  const solc = (await import('solc')).default as Compiler;
  for (const listener of process.listeners('unhandledRejection')) {
    if (!before.includes(listener)) process.off('unhandledRejection', listener);
  }
  return solc;
}

async function compile(sources: Record<string, string>): Promise<Map<string, string>> {
  const solc = await loadCompiler();
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(
      Object.entries(sources).map(([path, content]) => [path, { content }]),
    ),
    settings: { ...SETTINGS, outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
  };
  const output = JSON.parse(
    solc.compile(JSON.stringify(input), { import: readImport }),
  ) as CompilerOutput;
  const problems = (output.errors ?? []).filter(
    (problem) => problem.severity !== 'info' && !isAccepted(problem),
  );
  if (problems.length > 0)
    throw new Error(
      `The contracts do not compile:\n${problems.map((p) => p.formattedMessage).join('\n')}`,
    );

  const files = new Map<string, string>();
  for (const path of Object.keys(sources)) {
    for (const [name, contract] of Object.entries(output.contracts?.[path] ?? {})) {
      // Interfaces and abstract contracts have no bytecode; libraries of internal functions have
      // nothing to call.
      if (contract.evm.bytecode.object === '' || contract.abi.length === 0) continue;
      const file = `${path.startsWith('contracts/src/test/') ? 'test/' : ''}${name}.ts`;
      if (files.has(file)) throw new Error(`Two contracts are called ${name}`);
      files.set(file, render(name, path, contract));
    }
  }
  return files;
}

function isAccepted(problem: Diagnostic): boolean {
  if (problem.severity !== 'warning') return false;
  return ACCEPTED_WARNINGS.some(
    ({ errorCode, file }) =>
      problem.errorCode === errorCode && problem.sourceLocation?.file === file,
  );
}

function render(name: string, path: string, contract: CompiledContract): string {
  // PaymentGateway → paymentGateway, MSQPayForwarder → msqPayForwarder
  const prefix = name.replace(/^[A-Z]+(?=[A-Z][a-z])|^[A-Z]/, (head) => head.toLowerCase());
  return [
    `// Generated from ${path} by contracts/build.ts. Do not edit.`,
    `export const ${prefix}Abi = ${JSON.stringify(contract.abi, null, 2)} as const;`,
    '',
    `export const ${prefix}Bytecode = '0x${contract.evm.bytecode.object}' as const;`,
    '',
  ].join('\n');
}

/**
 * Sources by their path from the root of the repository, in a fixed order and with `/` on every
 * system.
 */
function readSources(): Record<string, string> {
  return Object.fromEntries(
    listFiles(sourceFolder, '.sol').map((path) => [
      `contracts/src/${path}`,
      readFileSync(join(sourceFolder, path), 'utf8'),
    ]),
  );
}

function readImport(path: string): { contents: string } | { error: string } {
  try {
    return { contents: readFileSync(join(root, 'node_modules', path), 'utf8') };
  } catch {
    return { error: `${path} is in neither contracts/src nor node_modules` };
  }
}

function listFiles(folder: string, extension: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

function hashOfFiles(folder: string, paths: string[]): string {
  return hashOf(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
}

/** Line ends are made alike first: a checkout may have changed them. */
function hashOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value).replaceAll('\\r\\n', '\\n'))
    .digest('hex');
}

function packageVersion(name: string): string {
  const manifest = JSON.parse(
    readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'),
  ) as { version: string };
  return manifest.version;
}

/** The nearest folder above with a `package.json`: the same from the sources and from `dist`. */
function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('No package.json above contracts/build.ts');
  return findRoot(parent);
}

async function main(): Promise<void> {
  const known = ['--force', '--check'];
  const unknown = process.argv.slice(2).filter((flag) => !known.includes(flag));
  if (unknown.length > 0)
    throw new Error(`Unknown: ${unknown.join(' ')}. Known: ${known.join(' ')}`);
  const result = await buildContracts({
    force: process.argv.includes('--force'),
    check: process.argv.includes('--check'),
  });
  if (result.status === 'outdated') {
    process.stderr.write(
      'contracts/generated is out of date: run the contracts build and commit the result\n',
    );
    process.exitCode = 1;
    return;
  }
  process.stdout.write(
    `contracts/generated: ${result.status} (${String(result.files.length)} files)\n`,
  );
}

if (
  process.argv[1] !== undefined &&
  realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
