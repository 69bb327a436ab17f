/*
 * node .ci/run-guide.ts [--here | --package] DOCUMENT...: runs the commands in the `console` blocks of documents and compares what they
 * print with what the documents show. Each document gets a clone of the last commit (with --here: a copy of the working tree; with
 * --package: an empty folder, the program installed from its package, and $REPOSITORY for the data to begin with), a sandbox and one
 * bash of its own. In a block a line that begins with "$ " is a command, the lines that begin with ">" after it go on with it, and the other
 * lines are its standard output: "…" stands for any text within a line, a line of only "…" for any number of lines. A command without
 * output lines may print anything; "# exit 104" at its end says its status where that is not 0. The last line printed is
 * "N passed, N failed". Exit 0 where all passed, 1 where not.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

export interface GuideCommand {
  /** Of the document, from 1. */
  readonly line: number;
  readonly text: string;
  readonly status: number;
  /** What it prints, line by line; null: anything. */
  readonly output: readonly string[] | null;
}

export interface GuideResult {
  readonly command: GuideCommand;
  /** What is wrong, in words; null where nothing is. */
  readonly problem: string | null;
}

/** Where the commands of one document begin. */
interface Beginning {
  readonly cwd: string;
  readonly variables: Readonly<Record<string, string>>;
}

interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** A folder for what the commands print. */
  readonly scratch: string;
  /** How long one command may take. */
  readonly limitMs: number;
}

export function parseGuide(document: string): readonly GuideCommand[] {
  const commands: { line: number; text: string; output: string[] }[] = [];
  for (const { index, groups } of document.matchAll(/^```console\n(?<block>.*?)^```$/gms)) {
    const first = document.slice(0, index).split('\n').length + 1;
    for (const [offset, line] of groups!['block']!.split('\n').slice(0, -1).entries()) {
      const last = commands.at(-1);
      if (line.startsWith('$ ')) commands.push({ line: first + offset, text: line.slice(2), output: [] });
      else if (offset === 0 || last === undefined) throw new Error(`line ${first}: expected a console block to begin with a command`);
      else if (line.startsWith('>') && last.output.length === 0) last.text += `\n${line.replace(/^> ?/, '')}`;
      else last.output.push(line);
    }
  }
  return commands.map(({ output, ...command }) => ({
    ...command,
    status: Number(/# exit (\d+)\s*$/m.exec(command.text)?.[1] ?? 0),
    output: output.length === 0 ? null : output,
  }));
}

/** Whether lines are as expected, spaces at their ends aside. */
export function matches([first, ...rest]: readonly string[], found: readonly string[]): boolean {
  if (first === undefined) return found.length === 0;
  if (first === '…') return found.some((_, index) => matches(rest, found.slice(index))) || matches(rest, []);
  const [line, ...others] = found;
  if (line === undefined) return false;
  const pattern = first
    .trimEnd()
    .replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
    .replaceAll('…', '.*');
  return new RegExp(`^${pattern}$`).test(line.trimEnd()) && matches(rest, others);
}

/** Runs commands one after the other in one bash. After one that ended it, or was ended for its time, the others do not run. */
export async function runCommands(commands: readonly GuideCommand[], place: Place): Promise<readonly GuideResult[]> {
  const { cwd, env, scratch, limitMs } = place;
  const bash = spawn('bash', ['--noprofile', '--norc'], { cwd, env, detached: true, stdio: ['pipe', 'ignore', 'inherit', 'pipe'] });
  const gone = once(bash, 'exit');
  const kill = (): void => killGroup(bash.pid!);
  process.once('exit', kill);
  const statuses = createInterface({ input: bash.stdio[3] as Readable })[Symbol.asyncIterator]();
  const results: GuideResult[] = [];
  let hasEnded = false;
  for (const command of commands) {
    if (hasEnded) {
      results.push({ command, problem: 'not run, since the shell had ended' });
      continue;
    }
    const stdout = join(scratch, `${command.line}.stdout`);
    const stderr = join(scratch, `${command.line}.stderr`);
    (bash.stdio[0] as Writable).write(`eval ${quote(command.text)} </dev/null >${stdout} 2>${stderr} 3>&-; echo $? >&3\n`);
    const ended = await Promise.race([statuses.next(), delay(limitMs, null, { ref: false })]);
    hasEnded = ended === null || ended.done === true;
    const problem =
      ended === null ? `took more than ${limitMs / 1000} s` : toProblem(command, Number(ended.value ?? NaN), readLines(stdout));
    results.push({
      command,
      problem: problem === null ? null : [problem, ...readLines(stderr).map((line) => `stderr: ${line}`)].join('\n'),
    });
  }
  process.off('exit', kill);
  kill();
  await gone;
  return results;
}

/** Ends a bash with all that its commands have left running. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** What is wrong with how a command ended (NaN: with it the shell) and what it printed; null: nothing. */
function toProblem({ output, status }: GuideCommand, found: number, printed: readonly string[]): string | null {
  if (found !== status) return [`expected status ${status}, found ${found}`, ...printed.map((line) => `+ ${line}`)].join('\n');
  if (output === null || matches(output, printed)) return null;
  return ['expected (-) and found (+):', ...output.map((line) => `- ${line}`), ...printed.map((line) => `+ ${line}`)].join('\n');
}

/** The lines of a file; the end of the last one makes no further line. */
function readLines(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8');
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A clone of the repository here, or a copy of its files as they are, with the same packages. */
function copyTree(scratch: string, isHere: boolean): Beginning {
  const cwd = join(scratch, 'tree');
  if (isHere) {
    const names = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' }).split('\0');
    for (const name of names.filter((name) => name !== '' && existsSync(name))) cpSync(name, join(cwd, name));
  } else execFileSync('git', ['clone', '--quiet', '.', cwd]);
  symlinkSync(resolve('node_modules'), join(cwd, 'node_modules'));
  return { cwd, variables: { PATH: toPath(), ORCHESTRATE_DIR: join(cwd, '.orchestrate') } };
}

/** Packs the project and installs the package as `npm i -g` does. The folder of its commands. */
function installPackage(to: string): string {
  mkdirSync(to);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  execFileSync('npm', ['pack', '--silent', '--pack-destination', to], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const packed = readdirSync(to).map((name) => join(to, name));
  execFileSync('npm', ['install', '-g', '--silent', '--prefer-offline', '--prefix', to, ...packed], { env, stdio: 'inherit' });
  return join(to, 'bin');
}

/** An empty folder and an empty home, with the installed commands. */
function makeEmptyFolder(scratch: string, commands: string): Beginning {
  const [cwd, home] = [join(scratch, 'empty'), join(scratch, 'home')];
  for (const folder of [cwd, home]) mkdirSync(folder);
  return { cwd, variables: { PATH: toPath(commands, dirname(process.execPath)), HOME: home, REPOSITORY: resolve('.') } };
}

/** The folders of programs without those of npm, after some others. */
function toPath(...first: readonly string[]): string {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !/node_modules|node-gyp-bin/.test(folder));
  return [...first, ...path].join(delimiter);
}

/** The environment of a person with the sandbox's variables: nothing of npm's, and no service or key of whoever starts this. */
function toEnvironment(variables: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|INIT_CWD$|NODE_OPTIONS$|OPENAI_|AZURE_|HF_|ORCHESTRATE_|FORCE_COLOR$)/.test(name),
  );
  return { ...Object.fromEntries(own), ...variables };
}

async function runDocument(path: string, begin: (scratch: string) => Beginning): Promise<readonly GuideResult[]> {
  const commands = parseGuide(readFileSync(path, 'utf8'));
  if (commands.length === 0) throw new Error(`${path}: expected a command in a console block`);
  const scratch = mkdtempSync(join(tmpdir(), 'guide-'));
  let sandbox: ChildProcess | null = null;
  const clear = (): void => {
    sandbox?.kill();
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once('exit', clear);
  try {
    const { cwd, variables } = begin(scratch);
    const started = spawn(process.execPath, [resolve('bin/orchestrate.js'), 'sandbox', '--json'], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    sandbox = started;
    const said = await createInterface({ input: started.stdout })[Symbol.asyncIterator]().next();
    if (said.done === true) throw new Error('expected the sandbox to print its variables');
    const { env } = JSON.parse(said.value) as { env: Readonly<Record<string, string>> };
    return await runCommands(commands, { cwd, env: toEnvironment({ ...env, ...variables }), scratch, limitMs: 240_000 });
  } finally {
    process.off('exit', clear);
    clear();
  }
}

async function runDocuments(paths: readonly string[], begin: (scratch: string) => Beginning): Promise<number> {
  const counts = { passed: 0, failed: 0 };
  for (const path of paths) {
    const began = performance.now();
    const results = await runDocument(path, begin);
    console.log(`${path}: ${results.length} commands in ${Math.round((performance.now() - began) / 1000)} s`);
    for (const { command, problem } of results) {
      counts[problem === null ? 'passed' : 'failed'] += 1;
      if (problem !== null) console.log(`${path}:${command.line}: $ ${command.text}\n${problem.replaceAll(/^/gm, '    ')}\n`);
    }
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { here: { type: 'boolean', default: false }, package: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (positionals.length === 0) throw new Error('expected the paths of documents');
  if (!values.package) return runDocuments(positionals, (scratch) => copyTree(scratch, values.here));
  const folder = mkdtempSync(join(tmpdir(), 'package-'));
  const clear = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clear);
  const commands = installPackage(join(folder, 'prefix'));
  return runDocuments(positionals, (scratch) => makeEmptyFolder(scratch, commands));
}

if (import.meta.main) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1)); // what was started ends at 'exit'
  process.exitCode = await main(process.argv.slice(2));
}
