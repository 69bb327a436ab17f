import { join } from 'node:path';
import type { Attempt } from '../../src/provider/context.ts';
import type { Dialect } from './dialect.ts';
import type { OpenAIRequest, Prepared } from './request.ts';
import { uploadFile, uploadLimits, waitUntilProcessed } from './upload.ts';
import { writeRows } from './write-rows.ts';

/**
 * Writes the rows into the run's folder and uploads them: files of their own for each attempt, so that a file belongs to one
 * submission, by which its job can be found and without which it cannot begin.
 */
export async function prepare(dialect: Dialect, request: OpenAIRequest, c: Attempt, limits = uploadLimits): Promise<Prepared> {
  const upload = async (part: 'train' | 'validation'): Promise<string> => {
    c.signal.throwIfAborted();
    const path = join(c.workDir, `${part}.jsonl`);
    await writeRows(path, c.readRows(part), request.rows);
    return await uploadFile(dialect, { path, name: `orchestrate-${c.key}-${c.attempt}-${part}.jsonl`, limits }, c);
  };
  const trainingFile = await upload('train');
  const validationFile = c.facts.validation === null ? null : await upload('validation');
  for (const file of [trainingFile, validationFile]) if (file !== null) await waitUntilProcessed(dialect, file, c);
  return { trainingFile, validationFile };
}
