/** The labels of a classifier: what its folder says of them, and which of them are those of the data. */
import { Failure } from '../errors.ts';
import { isObject } from '../lib/json.ts';
import type { Family } from './families/index.ts';
import type { SafetensorsIndex } from './safetensors.ts';

const maxLabels = 100_000;

/**
 * Which class of a model each label is, where the model's own names are those of the labels: in any order, with other capitals where that is
 * clear, and `LABEL_0`, `LABEL_1`, as transformers calls classes without names, for the labels 0, 1. Without labels it is the one output of a regression. Null: they are others.
 */
export function matchLabels(own: readonly string[], labels: readonly string[]): number[] | null {
  if (labels.length === 0) return own.length === 1 ? [0] : null;
  if (own.length !== labels.length) return null;
  const kinds = [(name: string) => name, (name: string) => name.toLowerCase(), (name: string) => name.replace(/^LABEL_/, '')];
  for (const toKey of kinds) {
    const keys = own.map(toKey);
    const places = labels.map((label) => keys.indexOf(toKey(label)));
    if (new Set(places).size === own.length && !places.includes(-1)) return places;
  }
  return null;
}

/** What a head is for: one label a text, or several of them. */
interface HeadOf {
  readonly labels?: readonly string[] | null | undefined;
  readonly isMultiLabel?: boolean | undefined;
}

/** As `matchLabels`, of a head that gives as many labels a text as is wanted: of other ones nothing can be kept. */
export function matchHead(own: HeadOf, wanted: HeadOf & { readonly labels: readonly string[] }): number[] | null {
  if (!own.labels || (own.isMultiLabel ?? false) !== (wanted.isMultiLabel ?? false)) return null;
  return matchLabels(own.labels, wanted.labels);
}

/** Whether a config.json is of a classifier whose texts have several labels. */
export function isMultiLabelConfig(json: Readonly<Record<string, unknown>>): boolean {
  return json['problem_type'] === 'multi_label_classification';
}

/** What a config.json says of the labels of a sequence classifier; null where it is none. Its weights may say otherwise. */
export function parseLabelNames({ architectures, id2label }: Readonly<Record<string, unknown>>): string[] | null {
  const isClassifier = Array.isArray(architectures) && architectures.some((name) => String(name).endsWith('ForSequenceClassification'));
  const names = isClassifier && isObject(id2label) ? id2label : {};
  const labels = Object.keys(names).map((_, i) => names[String(i)]);
  return labels.length > 0 && labels.length <= maxLabels && isLabels(labels) ? labels : null;
}

/** Names from id2label, where the weights have a sequence classification head of that many rows. */
export function parseLabels(
  json: Readonly<Record<string, unknown>>,
  weights: readonly SafetensorsIndex[],
  { path, family }: { path: string; family: Family },
): string[] | null {
  const head = weights.map((index) => index.entries.get(`${family.head}.weight`)).find((entry) => entry !== undefined);
  const { architectures, id2label } = json;
  const isClassifier =
    !Array.isArray(architectures) || architectures.some((name) => typeof name === 'string' && name.endsWith('ForSequenceClassification'));
  if (!head || !isClassifier) return null;
  const count = head.shape[0] ?? 0;
  if (id2label === undefined) return Array.from({ length: Math.min(count, maxLabels) }, (_, i) => `LABEL_${i}`); // transformers' default
  const names = isObject(id2label) ? id2label : {};
  const labels = Array.from({ length: Math.min(count, maxLabels) }, (_, i) => names[String(i)]);
  if (!isLabels(labels) || Object.keys(names).length !== count || new Set(labels).size !== count) {
    throw new Failure(
      'model-invalid',
      `${path}: id2label: expected ${count} different names, "0" to "${count - 1}", one for each row of ${family.head}.weight`,
    );
  }
  return labels;
}

function isLabels(labels: readonly unknown[]): labels is string[] {
  return labels.every((label) => typeof label === 'string');
}
