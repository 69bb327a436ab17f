import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { getBackend } from '../../../src/trainer/backends/index.ts';
import { explainAbsence, findPackage, getInstallFolder, tfjsVersion } from '../../../src/trainer/backends/native/find-package.ts';
import { createScratchFolder } from '../../scratch.ts';

const name = '@tensorflow/tfjs-node';

/** A package that is there as npm leaves it; with a native part or without. */
function writePackage(place: string, { version = tfjsVersion, isBuilt = true } = {}): string {
  const folder = join(place, 'node_modules', name);
  mkdirSync(join(folder, isBuilt ? 'lib' : '.'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version }));
  return folder;
}

function toSetting(values: Readonly<Record<string, string>>): (key: string) => string | null {
  return (key) => values[key] ?? null;
}

test('the package is found where doctor has built it, and in a folder that the user names, which comes first', () => {
  const root = createScratchFolder();
  const setting = toSetting({ XDG_CACHE_HOME: root });
  expect(findPackage(name, 'tensorflow', setting)).toBeNull();
  const built = writePackage(getInstallFolder('tensorflow', setting));
  expect(findPackage(name, 'tensorflow', setting)).toEqual({ name, version: tfjsVersion, folder: built });
  const named = writePackage(join(root, 'own'));
  const all = toSetting({ XDG_CACHE_HOME: root, ORCHESTRATE_TFJS: join(root, 'own/deep/er') });
  expect(findPackage(name, 'tensorflow', all)?.folder).toBe(named); // or above it, as Node looks
});

test('a folder that the user names is the only one', () => {
  const root = createScratchFolder();
  writePackage(getInstallFolder('tensorflow', toSetting({ XDG_CACHE_HOME: root })));
  const setting = toSetting({ XDG_CACHE_HOME: root, ORCHESTRATE_TFJS: join(root, 'none') });
  const message = `${name} is not installed in ${join(root, 'none')}, which ORCHESTRATE_TFJS names`;
  expect(explainAbsence(name, 'tensorflow', setting)).toBe(message);
  expect(getBackend('tensorflow').check(setting)).toBe(message);
});

test('another version, and a package whose install script has not run, are refused with their place', () => {
  const root = createScratchFolder();
  const folder = writePackage(root, { version: '4.21.0' });
  const setting = toSetting({ ORCHESTRATE_TFJS: root });
  expect(explainAbsence(name, 'tensorflow', setting)).toBe(`expected ${name} ${tfjsVersion}, found 4.21.0 in ${folder}`);
  const bare = createScratchFolder();
  writePackage(bare, { isBuilt: false });
  expect(explainAbsence(name, 'tensorflow', toSetting({ ORCHESTRATE_TFJS: bare }))).toMatch(/lacks its native part/);
  writePackage(bare);
  expect(explainAbsence(name, 'tensorflow', toSetting({ ORCHESTRATE_TFJS: bare }))).toBeNull();
});
