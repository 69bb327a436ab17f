import { Failure } from '../errors.ts';
import type { EncodedRow } from './batch.ts';
import type { Classifier } from './classifier.ts';
import { isObject } from '../lib/json.ts';
import { readLinesSync } from '../lib/lines.ts';

export interface EncodedRows {
  readonly rows: readonly EncodedRow[];
  /** Rows that were longer than the model may read. */
  readonly truncated: number;
}

/**
 * Training rows of a JSON Lines file, `{text, text2?, label}` each, as tokens.
 *
 * @throws Failure `data-invalid` naming the line when a row is broken or its label is not one of the classifier's; `file-missing`
 */
export function readRows(classifier: Classifier, path: string): EncodedRows {
  const rows: EncodedRow[] = [];
  let truncated = 0;
  for (const { line, text } of readLinesSync(path)) {
    const place = `${path}:${line}`;
    const row = parseTexts(text, place);
    const label = classifier.labels.indexOf(String(row.json['label']));
    if (label < 0)
      throw new Failure(
        'data-invalid',
        `${place}: "label": expected one of ${JSON.stringify(classifier.labels)}, found ${toShown(row.json['label'])}`,
      );
    const encoded = encodeText(classifier, row);
    rows.push({ ...encoded.row, label });
    if (encoded.truncated) truncated++;
  }
  return { rows, truncated };
}

/** A row's JSON with its text, or its pair of texts. @throws Failure `data-invalid` that names `place` */
export function parseTexts(
  line: string,
  place: string,
): { readonly json: Record<string, unknown>; readonly text: string; readonly text2: string | undefined } {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (error) {
    throw new Failure('data-invalid', `${place}: not valid JSON: ${line.slice(0, 100)}`, { error });
  }
  if (!isObject(json)) throw new Failure('data-invalid', `${place}: expected a JSON object, found ${toShown(json)}`);
  const { text, text2 } = json;
  if (typeof text !== 'string') throw new Failure('data-invalid', `${place}: "text": expected a string, found ${toShown(text)}`);
  if (text2 !== undefined && typeof text2 !== 'string')
    throw new Failure('data-invalid', `${place}: "text2": expected a string, found ${toShown(text2)}`);
  return { json, text, text2 };
}

/**
 * Tokens of a text or a pair, without a label.
 *
 * @throws Failure `model-invalid` when the tokenizer gives what the model's tables do not have
 */
export function encodeText(
  { tokenizer, config, maxLength }: Classifier,
  { text, text2 }: { readonly text: string; readonly text2: string | undefined },
): { readonly row: EncodedRow; readonly truncated: boolean } {
  const { ids, typeIds, truncated } = tokenizer.encode(text, text2, maxLength);
  const [id, typeId] = [Math.max(...ids), Math.max(...typeIds)];
  if (id >= config.vocabSize)
    throw new Failure(
      'model-invalid',
      `the tokenizer gives token ${id}, the model knows ${config.vocabSize} (0 to ${config.vocabSize - 1})`,
    );
  if (typeId >= config.typeVocabSize)
    throw new Failure('model-invalid', `the model does not read pairs of texts: type_vocab_size is ${config.typeVocabSize}`);
  return { row: { ids, typeIds, label: 0 }, truncated };
}

function toShown(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, 100);
}
