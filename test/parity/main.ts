/** `npm run parity -- DIR [--backend ${backendNames.join('|')}] [--all]`: our figures beside the reference's in DIR, those that differ or all of them. Exit status 1 when one differs or none was checked. */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { backendNames, getBackend, isBackendName } from '../../src/trainer/backends/index.ts';
import type { Check } from './check.ts';
import { runParity } from './run-parity.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { backend: { type: 'string', multiple: true }, all: { type: 'boolean', default: false } },
});
const present = backendNames.filter((name) => getBackend(name).check() === null);
const backends = (values.backend ?? present).filter(isBackendName);
const [folder] = positionals;
if (folder === undefined || !existsSync(folder) || backends.length === 0) {
  process.stderr.write(
    `usage: npm run parity -- DIR [--backend ${backendNames.join('|')}] [--all], with a folder of reference files${folder === undefined ? '' : `; found nothing at ${folder}`}\n`,
  );
  process.exitCode = 2;
} else {
  const { checks, skipped } = await runParity(folder, { backends });
  const failed = checks.filter((check) => !check.passed);
  const lines = [
    ...(values.all ? checks : failed).map(toLine),
    ...skipped.map((what) => `skipped ${what}`),
    ...(checks.length === 0 ? ['nothing was checked'] : []),
    `${checks.length - failed.length} passed, ${failed.length} failed`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  process.exitCode = failed.length > 0 || checks.length === 0 ? 1 : 0;
}

function toLine({ name, found, expected, tolerance, passed }: Check): string {
  const show = (value: number | string): string =>
    typeof value === 'number' ? value.toPrecision(9) : value.length > 80 && passed ? `${value.slice(0, 77)}...` : value.slice(0, 1000);
  return `${passed ? 'ok     ' : 'FAILED '} ${name}: ${show(found)}, expected ${show(expected)}${tolerance === 0 ? '' : ` ± ${tolerance.toPrecision(3)}`}`;
}
