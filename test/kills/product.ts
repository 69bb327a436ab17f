import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackage } from '../../bench/installed.ts';

/** What is started and killed: the program with the stand-in's provider, and the hook that is loaded before it. */
export interface Product {
  readonly program: string;
  readonly hook: string;
}

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
/** What the programs here import, and its name in the package. */
const sources = { '../../src/index.ts': 'finetune-orchestrator', '../../src/cli/main.ts': 'finetune-orchestrator/cli' };

/** The source as it lies here. */
export const sourceProduct: Product = { program: join(here, 'program.ts'), hook: join(here, 'crash-hook.ts') };

/** A script as many write it, in the place of the program. */
export function toNaiveProduct(script: string): Product {
  return { program: join(here, script), hook: join(here, 'crash-hook.ts') };
}

/** The package as it would be published, installed in an empty folder. */
export function installProduct(scratch: string): Product {
  installPackage(scratch);
  const folder = join(scratch, 'installed');
  for (const name of ['program.ts', 'provider.ts']) {
    const text = readFileSync(join(here, name), 'utf8');
    const changed = Object.entries(sources).reduce((all, [source, packageName]) => all.replaceAll(`'${source}'`, `'${packageName}'`), text);
    if (/^import (?!type).*'\.\.\/\.\.\/src\//m.test(changed))
      throw new Error(`${name} imports more of the source than the package exports`);
    writeFileSync(join(folder, name), changed);
  }
  cpSync(join(here, 'crash-hook.ts'), join(folder, 'crash-hook.ts'));
  writeFileSync(join(folder, 'package.json'), '{"private": true, "type": "module"}');
  return { program: join(folder, 'program.ts'), hook: join(folder, 'crash-hook.ts') };
}

/** Text of a source file and what stands in its place. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A copy of the source with changes. @throws where a text that is to be changed is not there */
export function copyProduct(folder: string, changes: readonly Change[]): Product {
  mkdirSync(folder, { recursive: true });
  for (const name of ['src', 'providers', 'test/kills', 'package.json']) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const { file, from, to } of changes) {
    const text = readFileSync(join(folder, file), 'utf8');
    if (text.split(from).length !== 2) throw new Error(`${file}: expected once, found ${text.split(from).length - 1} times: ${from}`);
    writeFileSync(
      join(folder, file),
      text.replace(from, () => to),
    );
  }
  return { program: join(folder, 'test/kills/program.ts'), hook: join(folder, 'test/kills/crash-hook.ts') };
}
