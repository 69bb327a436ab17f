import type { Metric } from '../../src/provider/metric.ts';
import type { Context } from '../../src/provider/context.ts';
import { callService } from './call-service.ts';
import type { Dialect } from './dialect.ts';
import { toMetrics, toStep } from './metrics.ts';
import type { Job } from './read-job.ts';
import { toIsoTime } from './to-iso-time.ts';

/** A step is about 60 bytes. */
const maxBodyBytes = 64 * 1024 * 1024;

/** The files that an ended job left behind. */
export function toResultFiles({ result_files: files }: Job): readonly string[] {
  return Array.isArray(files) ? files.filter((file) => typeof file === 'string') : [];
}

/** When a job ended, which is the time of the measures in its result file: it tells no other. */
export function toResultTime(job: Job, context: Context): string {
  return toIsoTime(job['finished_at']) ?? toIsoTime(job['created_at']) ?? context.now().toISOString();
}

/** All measures of an ended job. */
export async function readResultFiles(dialect: Dialect, job: Job, context: Context): Promise<Metric[]> {
  const metrics: Metric[] = [];
  for (const file of toResultFiles(job)) {
    const call = `GET /files/${encodeURIComponent(file)}/content`;
    const text = await callService(
      { dialect, call, maxBodyBytes },
      context,
      async (client) => await (await client.files.content(file)).text(),
    );
    metrics.push(...toResultMetrics(text, toResultTime(job, context)));
  }
  return metrics;
}

/**
 * The measures of a result file: a table with one row a step, as text or in base64, its columns in any order. What is blank or no number
 * was not measured; a text that is no such table has none.
 */
export function toResultMetrics(text: string, at: string): Metric[] {
  const [header = [], ...rows] = toTable(text);
  const baseUrl = header.indexOf('step');
  return rows.flatMap((fields) => {
    const step = toStep(toNumber(fields[baseUrl]));
    if (step === null || fields.length > header.length) return [];
    const numbers = Object.fromEntries(header.map((name, i) => [name, toNumber(fields[i])]));
    return toMetrics(numbers, { step, at, by: 'result file' });
  });
}

const mark = /^\uFEFF/;

/** OpenAI encodes its files in base64, Azure does not; base64 has no comma, which every table has. */
function toTable(text: string): string[][] {
  const table = text.includes(',') ? text : Buffer.from(text, 'base64').toString();
  const lines = table.replace(mark, '').split(/\r\n|\n|\r/);
  return lines.filter((line) => line.trim() !== '').map(toFields);
}

const mostLineCharacters = 10_000;

/** The fields of a line, after RFC 4180, as far as it keeps to that. */
function toFields(line: string): string[] {
  if (line.length > mostLineCharacters) return [];
  const fields = `${line},`.matchAll(/(?:"((?:[^"]|"")*)"|([^",]*)),/gy);
  return [...fields].map(([, quoted, bare]) => (quoted?.replaceAll('""', '"') ?? bare ?? '').trim());
}

function toNumber(field: string | undefined): number | null {
  return field !== undefined && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(field) ? Number(field) : null;
}
