import { isName, keepFirst, type Measurement } from './parse-metrics.ts';
import { parsePythonNumber } from './parse-python-dict.ts';

const file = 'README.md';

/**
 * The measures in a model card: those of AutoTrain's section "Validation Metrics", or else those of the `model-index` that transformers writes
 * into the front matter. They are of the finished model and belong to no step.
 */
export function parseModelCard(text: string): Measurement[] {
  const section = parseSection(text);
  return section.length > 0 ? section : parseModelIndex(text);
}

/** Lines such as `f1_macro: 0.8` below the heading, up to the next one. */
function parseSection(text: string): Measurement[] {
  const lines = text.split(/\r?\n/);
  const begin = lines.findIndex((line) => /^#{1,6} {1,9}Validation Metrics\s{0,9}$/i.test(line));
  if (begin === -1) return [];
  const end = lines.findIndex((line, i) => i > begin && /^#{1,6} /.test(line));
  const metrics = lines.slice(begin + 1, end === -1 ? undefined : end).flatMap((line) => {
    const colon = line.indexOf(':');
    const field = line.slice(0, Math.max(0, colon)).trim();
    const value = parsePythonNumber(line.slice(colon + 1).trim());
    return toMeasurement(field, value, 'full', `${file}: Validation Metrics, ${field}`);
  });
  return keepFirst(metrics);
}

/**
 * The measures under `model-index` as the Hub's own library writes them: block style, one field a line. No YAML parser: those that there are take
 * time without bound on hostile text.
 */
function parseModelIndex(text: string): Measurement[] {
  const found: Measurement[] = [];
  let [type, value] = ['', ''];
  // The indentations of `metrics:` and of the fields of its items; null outside.
  let list: number | null = null;
  let fields: number | null = null;
  const finish = (): void => {
    found.push(...toMeasurement(type, parsePythonNumber(value), 'unreported', `${file}: model-index, ${type}`));
    [type, value] = ['', ''];
  };
  for (const line of readModelIndex(text)) {
    const indent = line.search(/\S/);
    const isItem = line.startsWith('- ', indent);
    if (list !== null && (indent < list || (indent === list && !isItem))) {
      finish();
      [list, fields] = [null, null];
    }
    if (list === null) {
      if (/^[\s-]*metrics:\s*$/.test(line)) list = line.indexOf('metrics:');
      continue;
    }
    if (isItem && (fields === null || indent < fields)) {
      finish();
      fields = line.slice(indent + 1).search(/\S/) + indent + 1;
    }
    const key = line.slice(fields ?? 0);
    if (key.startsWith('type: ')) type = toScalar(key.slice('type: '.length));
    if (key.startsWith('value: ')) value = toScalar(key.slice('value: '.length));
  }
  finish();
  return keepFirst(found);
}

function toScalar(text: string): string {
  const trimmed = text.trim();
  return /^(["']).*\1$/.test(trimmed) ? trimmed.slice(1, -1) : trimmed;
}

/** The lines below `model-index:` in the front matter, without empty ones. */
function readModelIndex(text: string): string[] {
  const lines = text.trimStart().split(/\r?\n/);
  if (lines[0] !== '---') return [];
  const end = lines.findIndex((line, i) => i > 0 && line.trimEnd() === '---');
  const front = lines.slice(0, Math.max(0, end));
  const begin = front.findIndex((line) => line.trimEnd() === 'model-index:');
  if (begin === -1) return [];
  const next = front.findIndex((line, i) => i > begin && /^[A-Za-z]/.test(line));
  return front.slice(begin + 1, next === -1 ? undefined : next).filter((line) => line.trim() !== '');
}

function toMeasurement(field: string, value: number | null, coverage: Measurement['coverage'], source: string): Measurement[] {
  const name = field.startsWith('eval_') ? field.slice('eval_'.length) : field;
  if (value === null || !Number.isFinite(value) || !isName(name)) return [];
  return [{ name, split: 'validation', step: null, epoch: null, value, coverage, source }];
}
