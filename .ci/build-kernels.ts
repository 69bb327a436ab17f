/*
 * `npm run kernels`: compiles the trainer's kernels, src/trainer/kernels/assembly, to the files beside that folder, which are committed.
 * A test compiles them again and compares (test/trainer/kernels/build.test.ts).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { kernelVariants, type KernelVariant } from '../src/trainer/kernels/index.ts';

const root = resolve(import.meta.dirname, '..');
const folder = 'src/trainer/kernels';

/** Where the compiled kernels of a variant are kept. */
export function getPath(variant: KernelVariant): string {
  return join(root, folder, kernelVariants[variant].file);
}

/** The kernels of a variant as a WebAssembly module. @throws Error with what the compiler says, or when they bring data of their own */
export function compileKernels(variant: KernelVariant): Buffer {
  const scratch = mkdtempSync(join(tmpdir(), 'kernels-'));
  const file = join(scratch, 'kernels.wasm');
  const features = kernelVariants[variant].features.flatMap((feature) => ['--enable', feature]);
  const options = [
    `${folder}/assembly/index.ts`,
    '--outFile',
    file,
    '-O3',
    '--noAssert',
    ...features,
    '--importMemory',
    '--runtime',
    'stub',
    '--use',
    'abort=',
    '--disableWarning',
    '112',
  ];
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/assemblyscript/bin/asc.js'), ...options], { cwd: root });
    const compiled = readFileSync(file);
    if (hasData(compiled)) throw new Error('the kernels bring data, which would overwrite tfjs: they must not have strings or arrays');
    return compiled;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Whether a WebAssembly module has a section of data (11): sections are a number, a length (LEB128), and so many bytes. */
function hasData(module: Uint8Array): boolean {
  let at = 8; // behind the magic number and the version
  while (at < module.length) {
    if (module[at++] === 11) return true;
    let [length, shift] = [0, 0];
    do {
      length += (module[at]! & 127) << shift;
      shift += 7;
    } while (module[at++]! >= 128);
    at += length;
  }
  return false;
}

if (import.meta.main) {
  for (const variant of Object.keys(kernelVariants) as KernelVariant[]) {
    const compiled = compileKernels(variant);
    writeFileSync(getPath(variant), compiled);
    process.stdout.write(`${getPath(variant)}: ${compiled.length} bytes\n`);
  }
}
