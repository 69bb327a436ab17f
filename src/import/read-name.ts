import { toJobName } from './imported-job.ts';
import { assume, carry, convert } from './notes.ts';
import { readText, type Source, type SourcePath } from './source.ts';

/** The job's name: what the source calls its model, or the last part of the folder that it writes to. */
export function readName(source: Source, path: SourcePath): string {
  const text = readText(source, path);
  if (text === undefined) {
    assume(source, path, { field: 'name', value: null, text: 'a job must have a name' });
    return toJobName('');
  }
  const last = text.split('/').findLast((part) => part !== '') ?? '';
  const name = toJobName(last);
  if (name === text) carry(source, path, 'name');
  else convert(source, path, { field: 'name', text: 'a-z, 0-9 and "-", 32 at most' });
  return name;
}
