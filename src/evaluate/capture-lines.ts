import { chatVersion } from '../dataset/chat.ts';
import { openDataset } from '../dataset/open-dataset.ts';
import { readLines } from '../lib/lines.ts';
import { Failure, isFailure } from '../errors.ts';
import type { CaptureSource } from './capture-model.ts';
import type { CaptureRow } from './capture-rows.ts';
import { toPredictionText } from './predictions-file.ts';
import type { StoredAnswer } from './stored-answers.ts';
import { hashJson } from '../lib/json.ts';

/** A row with its answer, as the file has it. */
export function toCaptureText({ called, client }: CaptureSource, { input, asked, expected }: CaptureRow, answer: StoredAnswer): string {
  const { provider, settings, model } = client;
  const { prompt, labels, generation } = settings;
  const { temperature, maxTokens, seed } = generation;
  const { answer: text, probabilities, logProbability = null, truncated, latencyMs = null, tokens = null, at = null } = answer;
  return toPredictionText({
    input,
    prediction: { answer: text, probabilities, logProbability, truncated, latencyMs, tokens },
    expected,
    model: called,
    asked: {
      provider: provider.id,
      ...('text' in asked && model.kind === 'endpoint' && { prompt: hashJson({ chatVersion, prompt, labels }) }),
      ...(temperature !== undefined && { temperature }),
      ...(maxTokens !== undefined && { max_tokens: maxTokens }),
      ...(seed !== undefined && { seed }),
    },
    at,
  });
}

/**
 * That a file which is there already goes on with the new one: each of its lines is the text of an answer that is kept. Told before
 * anything is asked.
 * @throws Failure `data-invalid`
 */
export async function checkContinued(path: string, kept: ReadonlySet<string>): Promise<void> {
  let number = 0;
  try {
    for await (const lines of readLines(openDataset(path), path)) {
      for (const line of lines) {
        number++;
        if (kept.has(line.toString())) continue;
        throw new Failure(
          'data-invalid',
          `${path}:${number}: expected an answer that this capture would write again, found something else`,
          {
            hint: 'name another file with --out, or move this one away; nothing was asked',
          },
        );
      }
    }
  } catch (error) {
    if (!isFailure(error, 'file-missing')) throw error;
  }
}
