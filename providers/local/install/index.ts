/**
 * Builds a native backend on this machine, from packages of the registries that npm and pip are set up for. The install script of
 * `@tensorflow/tfjs-node` downloads an old TensorFlow from elsewhere; here the same sources are compiled against the libraries of
 * TensorFlow's package for Python.
 *
 *     CACHE/orchestrate/BACKEND/              appears by rename, whole
 *     CACHE/orchestrate/BACKEND.part/         while it is built
 *     CACHE/orchestrate/BACKEND.lock.db       held by the process that builds it
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure, isFailure, toFileFailure, toSystemCode } from '../../../src/errors.ts';
import { flush } from '../../../src/lib/fs.ts';
import { runTool } from '../../../src/lib/process.ts';
import { takeRunLock } from '../../../src/lib/run-lock.ts';
import { formatBytes } from '../../../src/lib/text.ts';
import type { Context } from '../../../src/provider/context.ts';
import type { Check } from '../../../src/provider/provider.ts';
import { getInstallFolder, tfjsVersion } from '../../../src/trainer/backends/index.ts';
import { checkBackend } from '../check.ts';
import { headersPackage, headersVersion, recipes, type Recipe, type Wheel } from './recipes.ts';

export const parts: readonly string[] = Object.keys(recipes);

/** What a step of a build works with. */
interface Build {
  readonly recipe: Recipe;
  /** The new folder, and that of the package in it. */
  readonly folder: string;
  readonly target: string;
  readonly tools: Tools;
  readonly context: Context;
}

/** Commands; each may be another one by a setting. */
interface Tools {
  readonly npm: string;
  readonly python: string;
  readonly compiler: string;
}

/**
 * Builds the backend where it is not there, and takes a training step on it.
 * @throws Failure `configuration-invalid` where this machine lacks something, `disk-full`, `service-unavailable` where a step fails
 */
export async function install(part: string, context: Context): Promise<Check> {
  const recipe = recipes[part]!;
  const folder = getInstallFolder(part, context.setting);
  checkPlatform(recipe);
  await mkdir(dirname(folder), { recursive: true }).catch((error: unknown) => {
    throw toFileFailure(error, 'cache folder', dirname(folder));
  });
  const lock = takeRunLock(`${folder}.lock.db`, 0);
  if (lock === null) throw new Failure('configuration-invalid', `another process builds ${folder}`, { hint: 'wait until it has ended' });
  try {
    if (existsSync(folder)) {
      const found = await checkBackend(part, context, folder);
      if (found.ok) return { ...found, found: `${found.found}; it was there already` };
      context.report?.(`${folder} does not work, and is built again: ${found.found}`);
    }
    return await build(part, { recipe, folder, context });
  } finally {
    lock.release();
  }
}

async function build(
  part: string,
  { recipe, folder, context }: { readonly recipe: Recipe; readonly folder: string; readonly context: Context },
): Promise<Check> {
  const tools = await findTools(context);
  const unfinished = `${folder}.part`;
  await rm(unfinished, { recursive: true, force: true }); // of a build that was interrupted
  await checkSpace(dirname(folder), recipe);
  try {
    await mkdir(unfinished);
    const target = join(unfinished, 'node_modules', recipe.package);
    const work: Build = { recipe, folder: unfinished, target, tools, context };
    const steps = [
      ['packages of npm', installPackages],
      [`TensorFlow's libraries (pip)`, bringTensorFlow],
      ...(recipe.cuda.length === 0 ? [] : [[`NVIDIA's libraries (pip)`, bringCuda] as const]),
      ['compiling', compile],
    ] as const;
    for (const [i, [what, step]] of steps.entries()) {
      context.report?.(`${part}: ${i + 1} of ${steps.length + 1}: ${what}`);
      await step(work);
    }
    context.report?.(`${part}: ${steps.length + 1} of ${steps.length + 1}: a training step`);
    const check = await checkBackend(part, context, unfinished);
    if (!check.ok) throw new Failure('service-unavailable', `${part} was built and does not work: ${check.found}`);
    flush(unfinished);
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
    return { ...check, found: check.found.replace(unfinished, folder) };
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw isFailure(error) ? error : toFileFailure(error, 'folder of the build', unfinished);
  }
}

/** @throws Failure `configuration-invalid` */
function checkPlatform({ package: name }: Recipe): void {
  const { platform, arch, report } = process;
  const header = (report.getReport() as { header: { glibcVersionRuntime?: string } }).header;
  if (platform === 'linux' && arch === 'x64' && header.glibcVersionRuntime !== undefined) return;
  throw new Failure('configuration-invalid', `builds on Linux x64 with glibc only, found ${platform} ${arch}`, {
    hint: `\`npm install ${name}@${tfjsVersion}\` in the project, where that package's own install script works`,
  });
}

/** @throws Failure `configuration-invalid` naming the first one that is missing */
async function findTools(context: Context): Promise<Tools> {
  const [npm, python, compiler] = ['npm', context.setting('PYTHON') ?? 'python3', context.setting('CXX') ?? 'g++'];
  const tries: [string[], string][] = [
    [[npm, '--version'], 'install npm, which comes with Node.js'],
    [[python, '-m', 'pip', '--version'], 'install Python 3 with pip (Debian: `apt-get install python3-pip`), or set PYTHON to one'],
    [[compiler, '--version'], 'install a C++ compiler (Debian: `apt-get install g++`), or set CXX to one'],
  ];
  for (const [command, hint] of tries) {
    const { status, output } = await runTool(command, { folder: '/', signal: context.signal }).catch((error: unknown) => {
      if (toSystemCode(error) === null) throw error;
      return { status: null, output: 'there is no such command' };
    });
    if (status === 0) continue;
    throw new Failure('configuration-invalid', `\`${command.join(' ')}\` does not work: ${toLastLine(output)}`, { hint });
  }
  return { npm, python, compiler };
}

function toLastLine(output: string): string {
  return output.split('\n').at(-1)!;
}

/** @throws Failure `disk-full` */
async function checkSpace(folder: string, { bytes }: Recipe): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes.build) return;
  const needs = `${formatBytes(bytes.build)} while it is built, and ${formatBytes(bytes.kept)} then`;
  throw new Failure('disk-full', `the build needs ${needs}; ${folder} has ${formatBytes(free)} left`, {
    hint: 'free some space, or set XDG_CACHE_HOME to a folder on another disk',
  });
}

/** The package and what it needs, without any install script: the one of this package would download. */
async function installPackages({ recipe, folder, tools, context }: Build): Promise<void> {
  const dependencies = { [recipe.package]: tfjsVersion, [headersPackage]: headersVersion };
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await run([tools.npm, 'install', ...flags], { folder, context });
}

/** The two libraries of TensorFlow, and the headers of its C interface. */
async function bringTensorFlow(build: Build): Promise<void> {
  const libraries = String.raw`tensorflow/libtensorflow_(cc|framework)\.so\.2`;
  const headers = String.raw`tensorflow/include/(tensorflow/c/.*|(tensorflow/core|tsl|tensorflow/tsl|xla/tsl)/platform/.*|(tsl|xla/tsl)/c/.*)\.h`;
  await unpack([build.recipe.tensorflow], { ...build, into: build.folder, names: `(${libraries}|${headers})` });
  const place = join(build.target, 'deps/lib');
  await mkdir(place, { recursive: true });
  for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2']) {
    await rename(join(build.folder, 'tensorflow', name), join(place, name));
  }
}

/** TensorFlow's libraries look for them in this place. */
async function bringCuda(build: Build): Promise<void> {
  await unpack(build.recipe.cuda, { ...build, into: join(build.target, 'deps'), names: String.raw`nvidia/.*/lib/.*` });
}

interface Unpacking extends Build {
  readonly into: string;
  /** A regular expression of the files that are wanted. */
  readonly names: string;
}

const unzip = `import re, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if re.fullmatch(sys.argv[3], name)])`;

/** Downloads packages of Python, each with the hash that is expected, and takes some of their files. */
async function unpack(wheels: readonly Wheel[], { folder, tools, context, into, names }: Unpacking): Promise<void> {
  const [place, list] = [join(folder, 'wheels'), join(folder, 'requirements.txt')];
  for (const { name, sha256 } of wheels) {
    await writeFile(list, `${name} --hash=sha256:${sha256}\n`);
    const platforms = ['manylinux2014_x86_64', 'manylinux_2_17_x86_64', 'manylinux1_x86_64'].flatMap((one) => ['--platform', one]);
    const python = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311', '--abi', 'none'];
    const flags = ['--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes', '--disable-pip-version-check'];
    await run([tools.python, '-m', 'pip', 'download', ...flags, ...python, ...platforms, '-d', place, '-r', list], { folder, context });
    const [file] = await readdir(place);
    await run([tools.python, '-c', unzip, join(place, file!), into, names], { folder, context });
    await rm(place, { recursive: true });
  }
  await rm(list);
}

/** The package's own sources, against Node's interface for native parts and TensorFlow's C interface. */
async function compile({ recipe, folder, target, tools, context }: Build): Promise<void> {
  const library = join(target, 'lib/napi-v8');
  const include = join(folder, 'tensorflow');
  await mkdir(library, { recursive: true });
  const flags = ['-std=c++17', '-O2', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8', '-DNODE_GYP_MODULE_NAME=tfjs_binding'];
  const headers = ['-I', join(folder, 'node_modules', headersPackage, 'include'), '-I', join(include, 'include')];
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(target, 'binding', name));
  const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((name) => join(target, 'deps/lib', name));
  const output = ['-o', join(library, 'tfjs_binding.node')];
  const command = [tools.compiler, ...flags, ...headers, ...sources, ...output, ...libraries, '-Wl,-rpath,$ORIGIN/../../deps/lib'];
  await run(command, { folder, context });
  await rm(include, { recursive: true });
  await rm(join(folder, 'node_modules', headersPackage), { recursive: true });
  // Symbols for a debugger are a quarter of the libraries; without the tool they stay.
  if (recipe.cuda.length === 0)
    await runTool(['strip', '--strip-unneeded', ...libraries], { folder, signal: context.signal }).catch(() => null);
}

/** @throws Failure `service-unavailable` with what the tool said */
async function run(command: readonly string[], { folder, context }: { readonly folder: string; readonly context: Context }): Promise<void> {
  const { status, output } = await runTool(command, { folder, signal: context.signal });
  if (status === 0) return;
  const name = command.slice(0, 4).join(' ');
  const isFull = /ENOSPC|No space left/i.test(output);
  throw new Failure(
    isFull ? 'disk-full' : 'service-unavailable',
    `\`${name} …\` ended with status ${status ?? 'none'}: ${output.split('\n').slice(-3).join(' ')}`,
    {
      hint: isFull
        ? 'free some space, or set XDG_CACHE_HOME to a folder on another disk'
        : 'the command is given to the tool as it is set up on this machine: its registry must be reachable',
    },
  );
}
