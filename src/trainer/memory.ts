import { isFailure, Failure } from '../errors.ts';

/** What engines and Emscripten say where so many bytes cannot be had. */
const words =
  /out of memory|memory access out of bounds|(enlarge|grow) memory|allocation failed|OOM when allocating|Invalid (typed )?array length|^Aborted\(/i;

/**
 * A failure of WebAssembly, or of an array that is too large, as what it is: WebAssembly has 4 GiB at most, and says so in words that
 * nobody understands. Every other error is returned as it is.
 */
export function explainMemory(error: unknown): unknown {
  if (isFailure(error) || !(error instanceof Error) || !(error.name === 'RuntimeError' || words.test(error.message))) return error;
  const limit = error.message.includes('OOM') ? '' : ' (WebAssembly has 4 GiB at most)'; // TensorFlow says it so, of the device or the machine
  return new Failure('out-of-memory', `there is not enough memory for this${limit}: ${error.message.split('\n', 1)[0]}`, {
    hint: 'set options.microBatchSize of the target, or training.maxLength, to a smaller number, or take a smaller model',
    error,
  });
}
