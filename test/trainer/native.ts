/**
 *     node test/trainer/native.ts [PART...] [--backend tensorflow] [--kills N] [--seed S]
 *
 * Proves a native backend that is on this machine: parity with PyTorch, trainings that are killed and end with the same bytes, and the job of the
 * guide on the packed package, whose copy of TensorFlow.js is another one than that of the native package. PARTS are parity, tiny, small and package; all of them where none is
 * named. The last line counts.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { getBackend, isBackendName, type BackendName } from '../../src/trainer/backends/index.ts';
import { runParity } from '../parity/run-parity.ts';
import { killTraining } from './kills.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'tensorflow' },
    kills: { type: 'string', default: '6' },
    seed: { type: 'string', default: '1' },
  },
});
const { backend } = values;
if (!isBackendName(backend)) throw new Error(`no backend: ${backend}`);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

interface Findings {
  readonly passed: number;
  readonly problems: readonly string[];
}

async function checkParity(name: BackendName): Promise<Findings> {
  const { checks } = await runParity('fixtures/parity', { backends: [name] });
  const failed = checks.filter(({ passed }) => !passed);
  return {
    passed: checks.length - failed.length,
    problems: failed.map((check) => `${check.name}: ${check.found}, expected ${check.expected}`),
  };
}

async function checkKills(name: BackendName, large: boolean): Promise<Findings> {
  const { kills, problems } = await killTraining(Number(values.kills), { seed: Number(values.seed), backend: name, large });
  return { passed: kills - problems.length, problems: kills === 0 ? ['no training could be killed in time'] : problems };
}

/** Installs the package as its users do, and trains with it. */
function checkPackage(name: BackendName): Findings {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  try {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
    const [tarball] = readdirSync(folder);
    const place = join(folder, 'user');
    mkdirSync(place);
    writeFileSync(join(place, 'package.json'), '{"private": true}');
    execFileSync('npm', ['install', '--silent', '--prefer-offline', join(folder, tarball!)], { cwd: place, stdio: 'inherit' });
    cpSync('fixtures/sentiment', join(place, 'sentiment'), { recursive: true });
    cpSync('fixtures/models/tiny-bert', join(place, 'models/tiny-bert'), { recursive: true });
    const settings = [`targets.laptop.options.backend="${name}"`, 'training.epochs=1'].flatMap((one) => ['--set', one]);
    const run = (args: readonly string[]): string =>
      execFileSync(process.execPath, [join(place, 'node_modules/finetune-orchestrator/bin/orchestrate.js'), ...args], {
        cwd: place,
        encoding: 'utf8',
      });
    const { runs } = JSON.parse(run(['submit', 'sentiment/job.json', '--wait', '--json', ...settings])) as { runs: { ok: boolean }[] };
    const log = run(['logs', 'sentiment/laptop']);
    const problems = [
      ...(runs.every(({ ok }) => ok) ? [] : ['the job of the packed package has not succeeded']),
      ...(log.includes('computes with TensorFlow') ? [] : [`the packed package did not compute with TensorFlow: ${log}`]),
    ];
    return { passed: 2 - problems.length, problems };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const problem = getBackend(backend).check();
const checks: readonly (readonly [string, () => Findings | Promise<Findings>])[] = [
  ['parity', () => checkParity(backend)],
  ['tiny', () => checkKills(backend, false)],
  ['small', () => checkKills(backend, true)],
  ['package', () => checkPackage(backend)],
];
let [passed, failed] = [0, problem === null ? 0 : 1];
if (problem === null) {
  for (const [name, check] of checks) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const found = await check();
    print(`${name} on ${backend}: ${found.passed} passed, ${found.problems.length} failed`);
    for (const one of found.problems) print(one);
    [passed, failed] = [passed + found.passed, failed + found.problems.length];
  }
} else print(problem);
print(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
