import { Failure } from '../errors.ts';
import { checkTextSteps } from './check-text-steps.ts';
import { formatValue } from '../lib/text.ts';
import { isObject } from '../lib/json.ts';

type Fields = Readonly<Record<string, unknown>>;
/** The failure of a field: what was expected, and what was found. */
type Refuse = (field: string, expected: string, found: unknown) => Failure;

const maxTokens = 1_000_000;
const maxTokenCharacters = 1000;
/** Of all tokens that are kept in a tree of characters, which takes about 200 bytes for each. */
const maxTreeCharacters = 2_000_000;
/** WordPiece tries every part of a word: the time grows with the square of its length. */
const maxWordCharacters = 256;
const maxTemplateItems = 64;
const maxSpecialTokens = 5000;

/**
 * Checks a tokenizer.json and its tokenizer_config.json before the library gets them, which believes every word: kinds of values, ids,
 * sizes, and that the template puts each text in once.
 *
 * @throws Failure `model-invalid` naming the file and the field
 */
export function checkTokenizer(definition: Fields, config: Fields, { path, configPath }: { path: string; configPath: string }): void {
  const refuse: Refuse = (field, expected, found) =>
    new Failure('model-invalid', `${path}: ${field}: expected ${expected}, found ${formatValue(found)}`, {
      hint: 'Write the tokenizer again with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)',
    });
  const { model, added_tokens: added } = definition;
  if (!isObject(model)) throw refuse('model', 'an object', model);
  const tokens = checkModel(model, refuse);
  for (const token of checkAddedTokens(added, refuse)) tokens.add(token);
  checkTextSteps(definition, path);
  checkPostProcessor(definition['post_processor'] ?? null, tokens, refuse);
  const special = config['additional_special_tokens'] ?? [];
  if (!Array.isArray(special) || special.length > maxSpecialTokens) {
    throw new Failure('model-invalid', `${configPath}: additional_special_tokens: expected a list of at most ${maxSpecialTokens} tokens`);
  }
}

/** Returns the names of the vocabulary. */
function checkModel(model: Fields, refuse: Refuse): Set<string> {
  const { type, vocab, merges, unk_token: unknown, unk_id: unknownId, max_input_chars_per_word: longestWord } = model;
  if (type === 'Unigram') {
    const tokens = checkScores(vocab, refuse);
    if (unknownId !== undefined && unknownId !== null && !isBelow(unknownId, (vocab as unknown[]).length))
      throw refuse('model.unk_id', 'the place of a token', unknownId);
    return tokens;
  }
  if (type !== 'WordPiece' && type !== 'BPE') throw refuse('model.type', 'one of WordPiece, BPE, Unigram', type);
  const tokens = checkIds(vocab, refuse);
  for (const field of ['continuing_subword_prefix', 'end_of_word_suffix', 'continuing_subword_suffix'])
    if (!isShort(model[field] ?? '')) throw refuse(`model.${field}`, 'a short text', model[field]);
  if (type === 'BPE') {
    if (!Array.isArray(merges) || !areMerges(merges)) throw refuse('model.merges', 'a list of pairs of tokens', merges);
    if (unknown !== undefined && unknown !== null && !isTokenOf(tokens, unknown)) throw refuse('model.unk_token', 'a token', unknown);
    return tokens;
  }
  if (!isTokenOf(tokens, unknown)) throw refuse('model.unk_token', 'a token of the vocabulary', unknown);
  if (typeof model['continuing_subword_prefix'] !== 'string')
    throw refuse('model.continuing_subword_prefix', 'a text', model['continuing_subword_prefix']);
  if (longestWord !== undefined && !isBelow(longestWord, maxWordCharacters + 1))
    throw refuse('model.max_input_chars_per_word', `a whole number up to ${maxWordCharacters}`, longestWord);
  return tokens;
}

/** A vocabulary with ids. */
function checkIds(vocab: unknown, refuse: Refuse): Set<string> {
  if (!isObject(vocab)) throw refuse('model.vocab', 'an object of ids', vocab);
  const entries = Object.entries(vocab);
  if (entries.length === 0 || entries.length > maxTokens) throw refuse('model.vocab', `1 to ${maxTokens} tokens`, entries.length);
  for (const [token, id] of entries) {
    if (token.length > maxTokenCharacters) throw refuse('model.vocab', `tokens of at most ${maxTokenCharacters} characters`, token);
    if (!isBelow(id, 2 * maxTokens)) throw refuse(`model.vocab ${formatValue(token)}`, 'an id', id);
  }
  return new Set(entries.map(([token]) => token));
}

/** A vocabulary with scores, which is kept in a tree of characters. */
function checkScores(vocab: unknown, refuse: Refuse): Set<string> {
  if (!Array.isArray(vocab) || vocab.length === 0 || vocab.length > maxTokens)
    throw refuse('model.vocab', `a list of 1 to ${maxTokens} tokens`, vocab);
  let characters = 0;
  const tokens = (vocab as unknown[]).map((entry, i) => {
    const [token, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof token !== 'string' || token.length > maxTokenCharacters || typeof score !== 'number')
      throw refuse(`model.vocab.${i}`, 'a token and its score', entry);
    characters += token.length;
    return token;
  });
  if (characters > maxTreeCharacters) throw refuse('model.vocab', `at most ${maxTreeCharacters} characters in all`, characters);
  return new Set(tokens);
}

/** Returns their texts. They are kept in a tree of characters too. */
function checkAddedTokens(added: unknown, refuse: Refuse): string[] {
  if (!Array.isArray(added) || added.length > maxTokens) throw refuse('added_tokens', 'a list', added);
  const tokens = (added as unknown[]).map((token, i) => {
    const { content, id } = isObject(token) ? token : {};
    if (typeof content === 'string' && content !== '' && content.length <= maxTokenCharacters && isBelow(id, 2 * maxTokens)) return content;
    throw refuse(`added_tokens.${i}`, 'an object with content and id', token);
  });
  const characters = tokens.reduce((sum, { length }) => sum + length, 0);
  if (characters > maxTreeCharacters) throw refuse('added_tokens', `at most ${maxTreeCharacters} characters in all`, characters);
  return tokens;
}

/** What puts special tokens around the texts. */
function checkPostProcessor(processor: unknown, tokens: ReadonlySet<string>, refuse: Refuse): void {
  if (processor === null) return;
  if (!isObject(processor)) throw refuse('post_processor', 'an object', processor);
  const parts: unknown = processor['type'] === 'Sequence' ? processor['processors'] : [processor];
  if (!Array.isArray(parts) || !parts.every(isObject)) throw refuse('post_processor.processors', 'a list of objects', parts);
  const templates = parts.filter(({ type }) => type !== 'ByteLevel');
  if (templates.length > 1) throw refuse('post_processor', 'at most one template', templates.length);
  for (const template of templates) {
    switch (template['type']) {
      case 'TemplateProcessing':
        checkTemplate('single', template, { texts: ['A'], tokens, refuse });
        checkTemplate('pair', template, { texts: ['A', 'B'], tokens, refuse });
        break;
      case 'BertProcessing':
      case 'RobertaProcessing':
        for (const field of ['cls', 'sep']) {
          const value = template[field];
          if (!Array.isArray(value) || !isTokenOf(tokens, value[0])) throw refuse(`post_processor.${field}`, 'a token and its id', value);
        }
        break;
      default:
        throw refuse('post_processor.type', 'one of TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel', template['type']);
    }
  }
}

function checkTemplate(
  name: string,
  template: Fields,
  { texts, tokens, refuse }: { texts: readonly string[]; tokens: ReadonlySet<string>; refuse: Refuse },
): void {
  const field = `post_processor.${name}`;
  const items = template[name];
  if (!Array.isArray(items) || items.length > maxTemplateItems) throw refuse(field, `a list of at most ${maxTemplateItems} items`, items);
  const found = (items as unknown[]).flatMap((item) => {
    const { Sequence: text, SpecialToken: token } = isObject(item) ? item : {};
    const part = isObject(text) && token === undefined ? text : isObject(token) && text === undefined ? token : null;
    if (part === null || !isBelow(part['type_id'], 64)) throw refuse(field, 'texts and special tokens, each with a type_id', item);
    if (part === text) return [formatValue(part['id'])];
    if (!isTokenOf(tokens, part['id'])) throw refuse(field, 'special tokens of the vocabulary', item);
    return [];
  });
  if (found.toSorted().join() !== texts.map(formatValue).join())
    throw refuse(field, `each of the texts ${texts.join(' and ')} once`, found.join(', '));
}

function areMerges(merges: readonly unknown[]): boolean {
  if (!Array.isArray(merges[0])) return merges.every((merge) => typeof merge === 'string');
  return merges.every((merge) => Array.isArray(merge) && merge.length === 2 && merge.every((token) => typeof token === 'string'));
}

function isTokenOf(tokens: ReadonlySet<string>, value: unknown): boolean {
  return typeof value === 'string' && tokens.has(value);
}

function isShort(value: unknown): boolean {
  return value === null || (typeof value === 'string' && value.length <= 16);
}

/** Whether it is a whole number from 0 to below `end`. */
function isBelow(value: unknown, end: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < end;
}
