import { isUtf8 } from 'node:buffer';
import { Failure } from '../errors.ts';
import { readBoundedFile } from '../lib/fs.ts';

/** Tokens by their meaning, as BertTokenizer names them where its configuration does not. */
const usualTokens = { pad_token: '[PAD]', unk_token: '[UNK]', cls_token: '[CLS]', sep_token: '[SEP]', mask_token: '[MASK]' } as const;

type SpecialToken = keyof typeof usualTokens;

/**
 * What tokenizer.json would say of a BERT whose folder has vocab.txt only, one token a line, as those of 2018 to 2020: the settings are
 * those of BertTokenizer, with the fields of tokenizer_config.json over them.
 * @throws Failure `model-invalid` for a file without the special tokens, with a token twice, or that is no text
 */
export function readVocabulary(path: string, config: Readonly<Record<string, unknown>>, maxBytes: number): Record<string, unknown> {
  const bytes = readBoundedFile(path, 'vocabulary', maxBytes);
  if (!isUtf8(bytes)) throw new Failure('model-invalid', `${path}: expected one token a line in UTF-8, found other bytes`);
  const lines = bytes.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  const tokens = lines.map((line) => line.trimEnd());
  const vocab = new Map(tokens.map((token, id) => [token, id]));
  if (vocab.size < tokens.length) {
    const twice = tokens.findIndex((token, id) => vocab.get(token) !== id);
    throw new Failure('model-invalid', `${path}:${twice + 1}: expected each token once, found ${JSON.stringify(tokens[twice])} again`);
  }
  const special = Object.fromEntries(Object.entries(usualTokens).map(([name, usual]) => [name, toText(config[name]) ?? usual])) as Record<
    SpecialToken,
    string
  >;
  const toId = (token: string): number => {
    const id = vocab.get(token);
    if (id !== undefined) return id;
    throw new Failure('model-invalid', `${path}: expected the token ${token}, found no such line`, {
      hint: 'only the vocabulary of a BERT is read without tokenizer.json; write one with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)',
    });
  };
  const isCased = config['do_lower_case'] === false;
  const at = (token: string, type: number): object => ({ SpecialToken: { id: token, type_id: type } });
  const text = (id: 'A' | 'B', type: number): object => ({ Sequence: { id, type_id: type } });
  const [cls, sep] = [special.cls_token, special.sep_token];
  const single = [at(cls, 0), text('A', 0), at(sep, 0)];
  return {
    version: '1.0',
    added_tokens: Object.values(special)
      .filter((token) => vocab.has(token))
      .map((content) => ({
        id: toId(content),
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config['tokenize_chinese_chars'] !== false,
      strip_accents: typeof config['strip_accents'] === 'boolean' ? config['strip_accents'] : null,
      lowercase: !isCased,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, text('B', 1), at(sep, 1)],
      special_tokens: Object.fromEntries([cls, sep].map((token) => [token, { id: token, ids: [toId(token)], tokens: [token] }])),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: tokens[toId(special.unk_token)],
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab),
    },
  };
}

/** A token is a text, or an object with its text as `content`. */
function toText(token: unknown): string | null {
  if (typeof token === 'string') return token;
  const content = typeof token === 'object' && token !== null ? (token as { content?: unknown }).content : undefined;
  return typeof content === 'string' ? content : null;
}
