import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compileKernels, getPath } from '../../../.ci/build-kernels.ts';
import { kernelVariants, type KernelVariant } from '../../../src/trainer/kernels/index.ts';

test.each(Object.keys(kernelVariants) as KernelVariant[])(
  'the committed kernels with %s are what the sources compile to',
  async (variant) => {
    const compiled = compileKernels(variant);
    expect(Buffer.compare(readFileSync(getPath(variant)), compiled), 'npm run kernels').toBe(0);
    expect(compiled.length).toBeLessThan(24 * 1024);
  },
);
