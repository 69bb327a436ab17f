import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { defineConfig, type Plugin, type RolldownOptions } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';
import { backends } from './src/trainer/backends/index.ts';

/*
 * Makes `dist/`, what the published package runs: the library with its types, the command, and the trainer, flat in one folder.
 *
 * The package's dependencies stay outside, so that npm can audit, share and update them. Two are copied into the bundle all the same:
 * the command needs them at every start, and finding their files would take longer than all the rest. TensorFlow.js is bundled into
 * the trainer, which needs a small part of it.
 */
const { dependencies } = readPackage('.');
const bundled = ['commander', 'kysely'];
const external = Object.keys(dependencies ?? {}).filter((name) => !bundled.includes(name));
const isExternal = (id: string): boolean => external.some((name) => id === name || id.startsWith(`${name}/`));

const library = { index: 'src/index.ts', testing: 'src/testing/index.ts', cli: 'src/cli/main.ts' };

/** Where the compiler has put the types of each file: see tsconfig.types.json. */
const typesFolder = resolve('node_modules/.cache/types');
const types = Object.fromEntries(Object.entries(library).map(([name, path]) => [name, join(typesFolder, path.replace('.ts', '.d.ts'))]));

const shared = {
  platform: 'node',
  // tfjs names its Node builds, single files that cannot be shaken, in `main`, and its modules in `module`.
  resolve: { mainFields: ['module', 'main'] },
  onLog(level, log, defaultHandler) {
    if (log.code === 'UNRESOLVED_IMPORT') throw new Error(`a package must be bundled, but cannot be found: ${log.message}`);
    if (log.code !== 'PLUGIN_TIMINGS') defaultHandler(level, log);
  },
} satisfies RolldownOptions;

export default defineConfig([
  {
    ...shared,
    input: { ...library, trainer: 'src/trainer/main.ts', 'trainer-worker': 'src/trainer/workers/worker.ts' },
    external: isExternal,
    // Node 20 can read it, so that it can be told that it is too old.
    transform: { target: 'node20', define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' } }, // tfjs's WebAssembly loaders ask
    output: { dir: 'dist', cleanDir: true, format: 'esm', chunkFileNames: '[name]-[hash].js' },
    plugins: [
      ...backends.flatMap(({ assets }) => assets.map(({ folder, ending }) => copyFiles(join('node_modules', folder), ending))),
      copyFiles('src/trainer/kernels', '.wasm'),
      copyFiles('providers/huggingface/container', '.py', 'container/'),
      collectLicences(),
    ],
  },
  {
    ...shared,
    input: types,
    resolve: { extensionAlias: { '.ts': ['.d.ts', '.ts'] } },
    external: (id) => !/^[./\0]/.test(id),
    output: { dir: 'dist', format: 'esm', chunkFileNames: '[name].d.ts' },
    plugins: [dts({ dtsInput: true, tsconfig: false })],
  },
]);

/** Puts files beside the bundle, where the trainer looks for those of its backends, and the provider for the programs of its container. */
function copyFiles(from: string, ending: string, to = ''): Plugin {
  return {
    name: `copy-${ending}`,
    generateBundle() {
      for (const name of readdirSync(from).filter((file) => file.endsWith(ending))) {
        this.emitFile({ type: 'asset', fileName: `${to}${name}`, source: readFileSync(join(from, name)) });
      }
    },
  };
}

interface Licence {
  readonly title: string;
  /** The SPDX name of package.json. */
  readonly name: string;
  /** The package's own licence file; null where it ships none. */
  readonly text: string | null;
}

/** Gathers the licences of all bundled packages, and of copied documents, in one file, as most of them ask of whoever passes them on. */
function collectLicences(): Plugin {
  return {
    name: 'collect-licences',
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((output) => (output.type === 'chunk' ? output.moduleIds : []));
      const folders = new Set(modules.filter((id) => id.includes('/node_modules/')).map(toPackageFolder));
      const notices = new Set(modules.filter((id) => !id.includes('/node_modules/')).map((id) => join(dirname(id), 'NOTICE.md')));
      const licences = [...[...folders].sort().map(readLicence), ...[...notices].filter(existsSync).sort().map(readNotice)];
      this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY-LICENSES.txt', source: toLicenceText(licences) });
    },
  };
}

function toPackageFolder(moduleId: string): string {
  let folder = dirname(moduleId.replaceAll('\0', ''));
  // Some packages have further package.json files inside, with a "type" and no version.
  while (!existsSync(join(folder, 'package.json')) || readPackage(folder).version === undefined) folder = dirname(folder);
  return folder;
}

function readPackage(folder: string): {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
} {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as ReturnType<typeof readPackage>;
}

function readLicence(folder: string): Licence {
  const { name = '', version = '', license = 'unknown' } = readPackage(folder);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
  return { title: `${name} ${version}`, name: license, text: file === undefined ? null : readFileSync(join(folder, file), 'utf8').trim() };
}

/** What stands beside a copied document. */
function readNotice(path: string): Licence {
  return { title: relative('.', dirname(path)), name: 'as below', text: readFileSync(path, 'utf8').trim() };
}

/** Some packages name a licence and ship no text: they share another package's text of the same name, or the build fails. */
function toLicenceText(licences: readonly Licence[]): string {
  const sections = licences.map((licence) => {
    const text = licence.text ?? toSharedText(licence, licences);
    return `${licence.title} (${licence.name})\n\n${text}\n`;
  });
  return sections.join(`\n${'-'.repeat(80)}\n\n`);
}

function toSharedText(licence: Licence, licences: readonly Licence[]): string {
  const other = licences.find(({ name, text }) => name === licence.name && text !== null);
  if (other === undefined) throw new Error(`${licence.title}: no licence file, and no other package with a text of ${licence.name}`);
  return `The text of ${licence.name} stands under ${other.title}.`;
}
