import { createHash } from 'node:crypto';
import type { RequestPreview } from '../../src/provider/provider.ts';
import type { DataFacts } from '../../src/dataset/inspect.ts';
import type { RunKey } from '../../src/job/run-key.ts';
import { toModelName } from './names.ts';
import type { HubRequest, Prepared } from './request.ts';
import { bind } from './submit.ts';

/**
 * The repositories, the files and the job of a submission, in their order. The account and the hash of the rows are known once it begins;
 * the texts of the programs in the container are named by their SHA-256.
 */
export function preview(request: HubRequest, { key, facts }: { readonly key: RunKey; readonly facts: DataFacts }): RequestPreview[] {
  const namespace = request.namespace ?? '<account>';
  const dataset = `${namespace}/orchestrate-data-<hash of the rows>`;
  const output = `${namespace}/${toModelName(request.name, key, 1)}`;
  const hasValidation = facts.validation !== null;
  const prepared: Prepared = { endpoint: '', namespace, dataset: { repo: dataset, revision: '<commit>', hasValidation }, output };
  const { body } = bind(request, prepared, key, 1);
  const toRepository = (type: 'dataset' | 'model', repository: string): RequestPreview => ({
    what: 'POST /api/repos/create',
    body: { type, name: repository, private: request.private },
  });
  return [
    toRepository('dataset', dataset),
    {
      what: `POST /api/datasets/${dataset}/commit/main`,
      body: { files: ['README.md', 'train.jsonl', ...(hasValidation ? ['validation.jsonl'] : [])] },
    },
    toRepository('model', output),
    {
      what: `POST /api/jobs/${namespace}`,
      body: {
        ...body,
        arguments: body.arguments.map(toName),
        environment: { ...body.environment, ORCHESTRATE_JOB: JSON.parse(body.environment['ORCHESTRATE_JOB']!) as unknown },
        secrets: { HF_TOKEN: '<HF_TOKEN>' },
      },
    },
  ];
}

function toName(program: string): string {
  const hash = createHash('sha256').update(program).digest('hex');
  return `<program of ${program.trimEnd().split('\n').length} lines, SHA-256 ${hash.slice(0, 16)}…>`;
}
