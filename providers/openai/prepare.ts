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
export async function prepare(dialect: Dialect, request: OpenAIRequest, context: Attempt, limits = uploadLimits): Promise<Prepared> {
  const upload = async (part: 'train' | 'validation'): Promise<string> => {
    context.signal.throwIfAborted();
    const path = join(context.workDir, `${part}.jsonl`);
    await writeRows(path, context.readRows(part), request.rows);
    return await uploadFile(dialect, { path, name: `orchestrate-${context.key}-${context.attempt}-${part}.jsonl`, limits }, context);
  };
  const trainingFile = await upload('train');
  const validationFile = context.facts.validation === null ? null : await upload('validation');
  for (const file of [trainingFile, validationFile]) if (file !== null) await waitUntilProcessed(dialect, file, context);
  return { trainingFile, validationFile };
}
