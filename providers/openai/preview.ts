import type { RequestPreview } from '../../src/provider/provider.ts';
import type { DataFacts } from '../../src/dataset/inspect.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import type { OpenAIRequest } from './request.ts';
import { bind } from './submit.ts';

/** The requests of a submission, as its first attempt sends them. */
export function preview(request: OpenAIRequest, { key, facts }: { readonly key: RunKey; readonly facts: DataFacts }): RequestPreview[] {
  const hasValidation = facts.validation !== null;
  const names = ['train.jsonl', ...(hasValidation ? ['validation.jsonl'] : [])];
  const files = { trainingFile: '<id of train.jsonl>', validationFile: hasValidation ? '<id of validation.jsonl>' : null };
  return [
    ...names.map((file) => ({ what: 'POST /files', body: { purpose: 'fine-tune', file } })),
    { what: 'POST /fine_tuning/jobs', body: bind(request, files, key, 1) },
  ];
}
