import { countSteps, measure } from './steps.ts';
import type { Job, StoredFile, ServiceAccount } from './service-account.ts';

/** The file of a finished job with the measures of all its steps. */
export function toResultFile(account: ServiceAccount, job: Job, atMs: number): StoredFile {
  return {
    id: account.nextId('file-'),
    bytes: job.dialect.encodeResult(toCsv(job)),
    createdMs: atMs,
    filename: job.dialect.id === 'azure' ? 'results.csv' : 'step_metrics.csv',
    purpose: 'fine-tune-results',
    expiresMs: null,
    readyMs: atMs,
  };
}

function toCsv(job: Job): string {
  const { columns } = job.dialect;
  const rows = Array.from({ length: countSteps(job).steps }, (_, i) => {
    const metrics = measure(job, i + 1);
    return columns.map(([, metric]) => metrics[metric] ?? '').join(',');
  });
  return [columns.map(([name]) => name).join(','), ...rows, ''].join('\n');
}
