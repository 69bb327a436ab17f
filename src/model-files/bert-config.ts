import { Failure } from '../errors.ts';
import { formatValue } from '../lib/text.ts';

/** The sizes of a BERT encoder (Devlin et al. 2019), as its config.json gives them. */
export interface BertConfig {
  readonly family: 'bert';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  /** Attention heads; divides `hiddenSize`. */
  readonly heads: number;
  readonly intermediateSize: number;
  readonly maxPositions: number;
  readonly typeVocabSize: number;
  readonly layerNormEpsilon: number;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  readonly classifierDropout: number;
  /** Standard deviation of a new head's weights. */
  readonly initializerRange: number;
  readonly padTokenId: number;
}

/**
 * Checks the fields of a config.json by hand. The upper bounds are far above real models; they keep a hostile file from asking for
 * much memory. `path` is for messages.
 *
 * @throws Failure `model-invalid` naming the field
 */
export function parseBertConfig(config: Readonly<Record<string, unknown>>, path: string): BertConfig {
  const invalid = (field: string, expected: string): Failure =>
    new Failure('model-invalid', `${path}: ${field}: expected ${expected}, found ${formatValue(config[field])}`);
  const toWhole = (field: string, least: number, most: number, absent?: number): number => {
    const value = config[field] ?? absent;
    if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
      throw invalid(field, `a whole number from ${least} to ${most}`);
    return value as number;
  };
  const toSize = (field: string, most: number, absent?: number): number => toWhole(field, 1, most, absent);
  const toNumber = (field: string, least: number, most: number, absent: number): number => {
    const value = config[field] ?? absent;
    if (typeof value !== 'number' || !(value >= least && value <= most)) throw invalid(field, `a number from ${least} to ${most}`);
    return value;
  };
  const checkWord = (field: string, expected: string): void => {
    if ((config[field] ?? expected) !== expected) throw invalid(field, JSON.stringify(expected));
  };

  checkWord('hidden_act', 'gelu');
  checkWord('position_embedding_type', 'absolute');
  if (config['is_decoder'] === true) throw invalid('is_decoder', 'false');
  const hiddenSize = toSize('hidden_size', 8192);
  const heads = toSize('num_attention_heads', 256);
  if (hiddenSize % heads !== 0) throw invalid('num_attention_heads', `a divisor of hidden_size ${hiddenSize}`);
  const hiddenDropout = toNumber('hidden_dropout_prob', 0, 0.99, 0.1);
  const vocabSize = toSize('vocab_size', 1_000_000);
  return {
    family: 'bert',
    vocabSize,
    hiddenSize,
    layers: toSize('num_hidden_layers', 96),
    heads,
    intermediateSize: toSize('intermediate_size', 32_768),
    maxPositions: toSize('max_position_embeddings', 32_768),
    typeVocabSize: toSize('type_vocab_size', 64, 2),
    layerNormEpsilon: toNumber('layer_norm_eps', 1e-20, 1, 1e-12),
    hiddenDropout,
    attentionDropout: toNumber('attention_probs_dropout_prob', 0, 0.99, 0.1),
    classifierDropout: toNumber('classifier_dropout', 0, 0.99, hiddenDropout),
    initializerRange: toNumber('initializer_range', 0, 10, 0.02),
    padTokenId: toWhole('pad_token_id', 0, vocabSize - 1, 0),
  };
}
