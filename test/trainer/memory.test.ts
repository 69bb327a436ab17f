import { expect, test } from 'vitest';
import { Failure, toFailureData } from '../../src/errors.ts';
import { explainMemory } from '../../src/trainer/memory.ts';

/** A module with a memory of one page and a function that reads far behind it; what it throws is what a full memory throws. */
function readBeyond(): unknown {
  const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 102, 0, 0];
  const code = [10, 12, 1, 10, 0, 65, 128, 128, 128, 1, 40, 2, 0, 11];
  const { WebAssembly: engine } = globalThis as unknown as {
    WebAssembly: {
      Module: new (bytes: Uint8Array) => object;
      Instance: new (module: object) => { readonly exports: { readonly f: () => number } };
    };
  };
  try {
    return new engine.Instance(new engine.Module(Uint8Array.from([...bytes, ...code]))).exports.f();
  } catch (error) {
    return error;
  }
}

function createTooLarge(): unknown {
  try {
    return new Float32Array(2 ** 53);
  } catch (error) {
    return error;
  }
}

test.each<[string, unknown]>([
  ['of WebAssembly', readBeyond()],
  ['of Emscripten', new Error('Aborted(). Build with -sASSERTIONS for more info.')],
  ['of a memory that cannot grow', new RangeError('WebAssembly.Memory.grow(): Maximum memory size exceeded: cannot grow memory')],
  ['of TensorFlow', new Error('Invalid TF_Status: 8\nMessage: OOM when allocating tensor with shape[16,512] and type float')],
  ['of an array', createTooLarge()],
  ['of an array buffer', new RangeError('Array buffer allocation failed')],
])('the error %s is one of memory, in one line, with what to do', (_, error) => {
  expect(error).toBeInstanceOf(Error);
  expect(toFailureData(explainMemory(error))).toMatchObject({
    code: 'out-of-memory',
    message: expect.stringMatching(/^there is not enough memory[^\n]*$/) as string,
    hint: expect.stringContaining('options.microBatchSize') as string,
  });
});

test('other errors stay what they are', () => {
  for (const error of [new TypeError('x is not a function'), new Failure('disk-full', 'no space'), 'a text'])
    expect(explainMemory(error)).toBe(error);
});
