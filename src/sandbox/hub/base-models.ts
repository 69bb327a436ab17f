import type { Commit, Repo } from './hub-state.ts';
import { mainBranch, toRegularFile } from './repo-store.ts';

/** Public models that jobs start from, with what tells whether they can be trained. Their weights are not here. */
const bases: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'google-bert/bert-base-uncased': { model_type: 'bert', architectures: ['BertForMaskedLM'] },
  'distilbert/distilbert-base-uncased': { model_type: 'distilbert', architectures: ['DistilBertForMaskedLM'] },
  'FacebookAI/roberta-base': { model_type: 'roberta', architectures: ['RobertaForMaskedLM'] },
  'HuggingFaceTB/SmolLM2-135M-Instruct': { model_type: 'llama', architectures: ['LlamaForCausalLM'] },
  'HuggingFaceTB/SmolLM2-1.7B-Instruct': { model_type: 'llama', architectures: ['LlamaForCausalLM'] },
  'Qwen/Qwen2.5-0.5B-Instruct': { model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'] },
  'Qwen/Qwen3-0.6B': { model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'] },
};

const createdMs = Date.UTC(2025, 0, 1);

/** A repository of the Hub's own that every account can read; null where there is none of this name. */
export function findBaseRepo(name: string): Repo | null {
  const config = Object.hasOwn(bases, name) ? bases[name] : undefined;
  if (config === undefined) return null;
  const json = Buffer.from(`${JSON.stringify(config, null, 2)}\n`);
  const card = Buffer.from(`---\nlibrary_name: transformers\n---\n\n# ${name}\n`);
  const files = new Map([
    ['README.md', toRegularFile(card)],
    ['config.json', toRegularFile(json)],
  ]);
  const oid = toRegularFile(Buffer.concat([json, card])).oid;
  const commit: Commit = { oid, title: 'initial commit', message: '', atMs: createdMs, parent: null, files };
  return {
    id: oid.slice(0, 24),
    type: 'model',
    name,
    isPrivate: false,
    createdMs,
    branches: new Map([[mainBranch, oid]]),
    commits: new Map([[oid, commit]]),
  };
}
