import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bert } from '../../../src/trainer/families/bert.ts';
import { writeSafetensors } from '../../../src/trainer/model-files/safetensors.ts';
import { createScratchFolder } from '../../scratch.ts';

const config = {
  architectures: ['BertForSequenceClassification'],
  model_type: 'bert',
  vocab_size: 9,
  hidden_size: 4,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 4,
  max_position_embeddings: 8,
  hidden_act: 'gelu',
  id2label: { 0: 'no', 1: 'yes' },
};

const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];
const toSpecial = (id: string, type: number): object => ({ SpecialToken: { id, type_id: type } });
const toText = (id: string, type: number): object => ({ Sequence: { id, type_id: type } });

const tokenizer = {
  version: '1.0',
  added_tokens: special.map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, special: true })),
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [toSpecial('[CLS]', 0), toText('A', 0), toSpecial('[SEP]', 0)],
    pair: [toSpecial('[CLS]', 0), toText('A', 0), toSpecial('[SEP]', 0), toText('B', 1), toSpecial('[SEP]', 1)],
    special_tokens: Object.fromEntries(special.map((id, i) => [id, { id, ids: [i], tokens: [id] }])),
  },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries([...special, 'a', 'bad', 'd', '##a', '##y'].map((token, id) => [token, id])),
  },
};

const tokenizerConfig = { tokenizer_class: 'BertTokenizer', do_lower_case: true, unk_token: '[UNK]', additional_special_tokens: ['[X]'] };

/** A model folder of the running test's own that is whole and as small as one can be: a few hundred numbers. */
export function createSmallModel(): string {
  const folder = createScratchFolder();
  const write = (name: string, value: object): void => writeFileSync(join(folder, name), JSON.stringify(value));
  write('config.json', config);
  write('tokenizer.json', tokenizer);
  write('tokenizer_config.json', tokenizerConfig);
  const specs = bert.listParameters(bert.parseConfig(config, 'config.json'), 2);
  writeSafetensors(
    join(folder, 'model.safetensors'),
    specs.map(({ name, shape }) => ({ name, shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) })),
  );
  return folder;
}
