import { basename } from 'node:path';
import { parseAnswer } from '../dataset/chat.ts';
import { readLabelList } from '../dataset/label-list.ts';
import { Failure } from '../errors.ts';
import { measureTasks, type Measure } from '../job/measures.ts';
import { formatValue } from '../lib/text.ts';
import { buildComparison, type Comparison } from './comparison.ts';
import { checkMargin } from './measures.ts';
import { parseNumber } from './numbers.ts';
import { hashInput, readPredictionLines, readPredictionsFile, type FilePrediction } from './predictions-file.ts';

export interface FileComparison {
  /** The predictions file of the model that is judged, wherever it was trained. */
  readonly candidate: string;
  /** That of the model that it is compared with. */
  readonly reference: string;
  /** How much worse still counts as "not worse", in units of the measure; 0.02 when absent. */
  readonly margin?: number | undefined;
  /** What they are compared by; absent: what fits the right answers. */
  readonly measure?: Measure | undefined;
}

interface AnswersFile {
  readonly path: string;
  readonly answers: ReadonlyMap<string, FilePrediction>;
  /** The right answers that the file knows, by `hashInput`. */
  readonly expected: ReadonlyMap<string, string>;
  readonly isChat: boolean;
}

/** The rows of both files. */
interface CommonRows {
  readonly right: readonly string[];
  readonly answers: readonly FilePrediction[];
  readonly isChat: boolean;
}

/**
 * Compares two models by their files of answers: on the inputs that both have answered, and whose right answer (`expected`) one of the files
 * says. Texts are classified, with one label or a JSON list of them, or answered with numbers; conversations must be answered exactly.
 * @throws Failure as `readPredictionsFile` and `checkMargin`, and `data-invalid` where the files do not agree, have nothing in common, or have
 *   right answers that the measure cannot judge
 */
export async function compareFiles({ candidate, reference, margin = 0.02, measure: wanted }: FileComparison): Promise<Comparison> {
  const [next, old] = [await readAnswersFile(candidate), await readAnswersFile(reference)];
  const expected = mergeExpected(next, old);
  const common = [...next.answers.keys()].filter((hash) => old.answers.has(hash));
  const rows = common.filter((hash) => expected.has(hash));
  if (rows.length === 0) {
    const found = common.length === 0 ? 'none' : `${common.length} without "expected"`;
    throw new Failure(
      'data-invalid',
      `expected inputs that ${candidate} and ${reference} have both answered, with their right answers, found ${found}`,
      {
        hint: 'each line has the input ("text" or "messages"), the "answer", and in one of the files the right answer as "expected"',
      },
    );
  }
  const right = rows.map((hash) => expected.get(hash)!);
  const answers = [next, old].flatMap((file) => rows.map((hash) => file.answers.get(hash)!));
  const measure = wanted ?? chooseMeasure({ right, answers, isChat: next.isChat || old.isChat });
  checkMargin(margin, measure);
  checkRight(right, measure);
  const task = measureTasks[measure];
  const labels = listLabels(right, measure);
  const listAnswers = ({ answers }: AnswersFile): (string | null)[] => {
    const given = rows.map((hash) => answers.get(hash)!.answer);
    return measure === 'exact_match' || measure === 'mean_absolute_error'
      ? given
      : given.map((answer) => parseAnswer(answer, { task, labels }));
  };
  const [name, other] = basename(candidate) === basename(reference) ? [candidate, reference] : [basename(candidate), basename(reference)];
  const comparison = buildComparison({
    job: name,
    set: 'test',
    measure,
    margin,
    labels,
    expected: right,
    candidates: [
      { name: other, kind: 'reference', run: null, answers: listAnswers(old) },
      { name, kind: 'tuned', run: null, answers: listAnswers(next) },
    ],
    referenceAmong: [other],
  });
  return {
    ...comparison,
    notes: [
      ...describeLeftOut(next, old),
      ...describeLeftOut(old, next),
      ...describeUnjudged(common.length - rows.length),
      ...(wanted === undefined ? describeMeasure(measure, right) : []),
      ...comparison.notes,
    ],
  };
}

/**
 * Where each right answer is a list of labels, rows have several. Where each is a number, they are numbers if one of the numbers is not whole: whole
 * ones may be names of labels, and a model that gives probabilities of labels has some.
 */
function chooseMeasure({ right, answers, isChat }: CommonRows): Measure {
  if (isChat) return 'exact_match';
  if (right.every((answer) => readLabelList(answer) !== null)) return 'micro_f1';
  const isFraction = (text: string | null): boolean => !Number.isInteger(parseNumber(text) ?? 0);
  const areNumbers = areAllNumbers(right) && answers.every(({ probabilities }) => probabilities === null);
  return areNumbers && (right.some(isFraction) || answers.some(({ answer }) => isFraction(answer))) ? 'mean_absolute_error' : 'accuracy';
}

function areAllNumbers(right: readonly string[]): boolean {
  return right.every((answer) => parseNumber(answer) !== null);
}

/** @throws Failure `data-invalid` for a right answer that the measure cannot judge */
function checkRight(right: readonly string[], measure: Measure): void {
  const isJudged = measure === 'mean_absolute_error' ? parseNumber : measure === 'micro_f1' ? readLabelList : null;
  const other = isJudged === null ? undefined : right.find((answer) => isJudged(answer) === null);
  if (other === undefined) return;
  const expected = measure === 'micro_f1' ? 'JSON lists of labels' : 'numbers';
  throw new Failure('data-invalid', `expected ${expected} as right answers for the measure ${measure}, found ${formatValue(other)}`);
}

function describeMeasure(measure: Measure, right: readonly string[]): string[] {
  if (measure === 'mean_absolute_error') return ['the answers are compared as numbers; --measure accuracy takes them for labels'];
  const isOpen = measure === 'accuracy' && areAllNumbers(right);
  return isOpen ? ['the answers are compared as labels; --measure mean_absolute_error takes them for numbers'] : [];
}

function listLabels(right: readonly string[], measure: Measure): string[] {
  const labels = measure === 'accuracy' ? right : measure === 'micro_f1' ? right.flatMap((answer) => readLabelList(answer)!) : [];
  return [...new Set(labels)].sort();
}

async function readAnswersFile(path: string): Promise<AnswersFile> {
  const answers = await readPredictionsFile(path);
  const expected = new Map<string, string>();
  let isChat = false;
  for await (const { line, input, expected: right } of readPredictionLines(path)) {
    isChat ||= 'messages' in input;
    if (right === null) continue;
    const hash = hashInput(input);
    checkSame(expected.get(hash), right, `${path}:${line}`);
    expected.set(hash, right);
  }
  return { path, answers, expected, isChat };
}

function mergeExpected(next: AnswersFile, old: AnswersFile): ReadonlyMap<string, string> {
  for (const [hash, right] of next.expected) checkSame(old.expected.get(hash), right, next.path);
  return new Map([...old.expected, ...next.expected]);
}

function checkSame(known: string | undefined, right: string, place: string): void {
  if (known === undefined || known === right) return;
  throw new Failure(
    'data-invalid',
    `${place}: expected ${formatValue(known)} as the right answer, as of the same input before, found ${formatValue(right)}`,
    {
      hint: 'an input has one right answer: fix "expected" in one of the lines',
    },
  );
}

function describeLeftOut({ path, answers }: AnswersFile, other: AnswersFile): string[] {
  const count = [...answers.keys()].filter((hash) => !other.answers.has(hash)).length;
  return count === 0
    ? []
    : [`${count} ${count === 1 ? 'input' : 'inputs'} of ${basename(path)} left out: ${basename(other.path)} has no answer`];
}

function describeUnjudged(count: number): string[] {
  return count === 0 ? [] : [`${count} ${count === 1 ? 'input' : 'inputs'} left out: neither file says the right answer ("expected")`];
}
