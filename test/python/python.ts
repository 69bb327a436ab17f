/**
 * What the checks beside Python share. A check is a program `<subject>.ts --python PATH` that prepares files, and starts the script
 * `<subject>.py` on them; its last line is "N passed, N failed". `.ci/run` makes the environment of requirements.txt for all of them.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

export interface PythonChecks {
  /** Runs the script of the subject: what it prints, as JSON. @throws Error with what it said where it fails */
  ask<Answer>(...args: readonly string[]): Answer;
  /** Counts one check; `found` is shown where it failed. */
  check(name: string, passed: boolean, found: unknown): void;
  /** Counts a number that is at most `most`; NaN is not. */
  checkAtMost(name: string, found: number, most: number): void;
  /** Prints what failed, and the last line. */
  end(): void;
}

/** Opens the checks of a subject. Nothing of Python's libraries reaches the network. */
export function openPythonChecks(subject: string): PythonChecks {
  const { values } = parseArgs({ options: { python: { type: 'string', default: 'python3' } } });
  const script = join(import.meta.dirname, `${subject}.py`);
  const env = { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error', OMP_NUM_THREADS: '1' };
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  let [passed, failed] = [0, 0];
  const check: PythonChecks['check'] = (name, isRight, found) => {
    if (isRight) passed++;
    else failed++;
    print(`${isRight ? 'ok     ' : 'FAILED '} ${name}: ${typeof found === 'string' ? found : JSON.stringify(found)}`);
  };
  return {
    ask<Answer>(...args: readonly string[]): Answer {
      const { status, stdout, stderr, error } = spawnSync(values.python, [script, ...args], { encoding: 'utf8', env, maxBuffer: 2 ** 28 });
      if (error) throw new Error(`${values.python} cannot be started: ${error.message}`);
      if (status !== 0) throw new Error(`${script} ${args.join(' ')} ended with status ${status}:\n${stderr}`);
      return JSON.parse(stdout) as Answer;
    },
    check,
    checkAtMost: (name, found, most) => check(name, found <= most, `${found.toPrecision(3)}, at most ${most}`),
    end() {
      print(`${passed} passed, ${failed} failed`);
      process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
    },
  };
}
