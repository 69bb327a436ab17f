import type { BertConfig } from './bert-config.ts';
import type { ParameterRules, ParameterSpec } from './find-parameters.ts';

/** Every parameter of a BERT encoder with pooler and a classification head of `classes` rows, in the order of transformers. */
export function toBertParameters({ layers, ...config }: BertConfig, classes: number): ParameterSpec[] {
  const { hiddenSize: H, intermediateSize: F } = config;
  const table = (name: string, rows: number): ParameterSpec => ({
    name: `bert.embeddings.${name}.weight`,
    shape: [rows, H],
    isLinear: false,
  });
  const linear = (name: string, outputs: number, inputs: number): ParameterSpec[] => [
    { name: `${name}.weight`, shape: [outputs, inputs], isLinear: true },
    { name: `${name}.bias`, shape: [outputs], isLinear: false },
  ];
  const norm = (name: string): ParameterSpec[] =>
    ['weight', 'bias'].map((part) => ({ name: `${name}.LayerNorm.${part}`, shape: [H], isLinear: false }));
  const layer = (name: string): ParameterSpec[] => [
    ...linear(`${name}.attention.self.query`, H, H),
    ...linear(`${name}.attention.self.key`, H, H),
    ...linear(`${name}.attention.self.value`, H, H),
    ...linear(`${name}.attention.output.dense`, H, H),
    ...norm(`${name}.attention.output`),
    ...linear(`${name}.intermediate.dense`, F, H),
    ...linear(`${name}.output.dense`, H, F),
    ...norm(`${name}.output`),
  ];
  return [
    table('word_embeddings', config.vocabSize),
    table('position_embeddings', config.maxPositions),
    table('token_type_embeddings', config.typeVocabSize),
    ...norm('bert.embeddings'),
    ...Array.from({ length: layers }, (_, i) => layer(`bert.encoder.layer.${i}`)).flat(),
    ...linear('bert.pooler.dense', H, H),
    ...linear('classifier', classes, H),
  ];
}

/** Where a folder's weights have the parameters: with a head of `classes` rows, or whatever head they have left out (null). */
export function toBertRules(config: BertConfig, classes: number | null): ParameterRules {
  const isHead = (name: string): boolean => name.startsWith('classifier.');
  const specs = toBertParameters(config, classes ?? 1);
  return {
    specs: classes === null ? specs.filter((spec) => !isHead(spec.name)) : specs,
    toCanonicalName: toBertName,
    isIgnored: (name) => isIgnoredByBert(name) || (classes === null && isHead(name)),
  };
}

/** Folders saved as a bare encoder have no "bert." before their names; the oldest ones call a norm's weight and bias gamma and beta. */
function toBertName(stored: string): string {
  const name = stored.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  return /^(embeddings|encoder|pooler)\./.test(name) ? `bert.${name}` : name;
}

/** Tensors without meaning for a classifier: buffers with counted positions, and the heads of pre-training. */
function isIgnoredByBert(name: string): boolean {
  return name === 'bert.embeddings.position_ids' || name === 'bert.embeddings.token_type_ids' || name.startsWith('cls.');
}
