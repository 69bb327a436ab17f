import { changesTraining, toJobSpec, type ImportedJob, type ImportNote } from './imported-job.ts';

/**
 * An imported job as the text of a job file, JSON with comments: what became of each field stands beside the field that it became, or
 * at the top. Below the source's own target stand others to choose from, as comments. The same job gives the same text.
 */
export function toJobFileText(job: ImportedJob): string {
  const spec = toJobSpec(job);
  const beside = Map.groupBy(
    job.notes.filter(({ kind, field }) => field !== null && (kind === 'carried' || kind === 'converted')),
    ({ field }) => field!,
  );
  const placed = new Set<ImportNote>();
  const toComment = (path: readonly string[]): string => {
    const notes = beside.get(toField(path)) ?? [];
    for (const note of notes) placed.add(note);
    return notes.length === 0 ? '' : ` // ${toBeside(notes)}`;
  };
  const body = toLines(spec, [], toComment);
  const end = body.findLastIndex((line) => line === '  }'); // of "targets", the last field
  body.splice(end, 0, ...toChoices(job));
  const top = toTop(job, placed).map((line) => `//${line === '' ? '' : ` ${line}`}`);
  return `${[...top, ...body].join('\n')}\n`;
}

/** The name of a field in notes: the target's own name is left out, as it is the only one. */
function toField([first, ...rest]: readonly string[]): string {
  return [first, ...(first === 'targets' ? rest.slice(1) : rest)].join('.');
}

/** An object over several lines, all else on one. */
function toLines(value: unknown, path: readonly string[], toComment: (path: readonly string[]) => string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length === 0) return [toJson(value)];
  const entries = Object.entries(value);
  const members = entries.flatMap(([key, item], i) => {
    const [first, ...others] = toLines(item, [...path, key], toComment);
    const comma = i < entries.length - 1 ? ',' : '';
    const comment = toComment([...path, key]);
    if (others.length === 0) return [`  ${toJson(key)}: ${first}${comma}${comment}`];
    return [`  ${toJson(key)}: ${first}${comment}`, ...others.slice(0, -1).map((line) => `  ${line}`), `  ${others.at(-1)}${comma}`];
  });
  return ['{', ...members, '}'];
}

/** Invisible characters and such that turn the reading direction are written as escapes, which JSON reads as the same text. */
function toJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[\p{Cf}\u007f-\u009f\u2028\u2029]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

const longestComment = 400;

/** Text from outside on one line, so that no comment can end before its line does. */
function toCommentText(text: string): string {
  const line = text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
  return line.length > longestComment ? `${line.slice(0, longestComment)}…` : line;
}

function toShort(value: unknown): string {
  const text = toCommentText(JSON.stringify(value) ?? 'nothing');
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}

/** Notes of one field; such with one reason share it. */
function toBeside(notes: readonly ImportNote[]): string {
  const byText = Map.groupBy(notes, ({ text }) => text);
  const parts = [...byText].map(([text, group]) => {
    const sources = group.map(({ path, value }) => (text === null || typeof value === 'object' ? path : `${path} ${toShort(value)}`));
    return text === null ? sources.join(', ') : `${sources.join(', ')}: ${text}`;
  });
  return toCommentText(parts.join('; '));
}

function toTop(job: ImportedJob, placed: ReadonlySet<ImportNote>): string[] {
  const {
    unmatched = [],
    absent = [],
    said = [],
  } = Object.groupBy(job.notes, ({ kind }) => (kind === 'unmatched' || kind === 'absent' ? kind : 'said'));
  const changes = (note: ImportNote): boolean => note.text?.startsWith(changesTraining) === true;
  const spec = toJobSpec(job);
  const isWritten = ({ field }: ImportNote): boolean => field !== null && hasField(spec, field.split('.'));
  const lists = [
    { title: 'Without an equal in a job; the training is another without it:', notes: unmatched.filter(changes).map(withoutPrefix) },
    { title: 'Without an equal in a job:', notes: unmatched.filter((note) => !changes(note)) },
    { title: 'Not said by the source, and written here; check it:', notes: absent.filter(isWritten) },
    {
      title: 'Not said by the source, so left to each target. What the source trains with instead, to be written here where it matters:',
      notes: absent.filter((note) => !isWritten(note)),
    },
    { title: 'Said in another way:', notes: said.filter((note) => !placed.has(note)) },
  ];
  const sections = lists.filter(({ notes }) => notes.length > 0).map(({ title, notes }) => ['', title, ...notes.map(toTopLine)]);
  return [`Imported from ${toCommentText(job.source)}. What stands behind a field is where it comes from.`, ...sections.flat()];
}

/** Their title says it. */
function withoutPrefix(note: ImportNote): ImportNote {
  return { ...note, text: note.text?.slice(changesTraining.length).replace(/^: /, '') ?? null };
}

function hasField(value: unknown, path: readonly string[]): boolean {
  const [key, ...rest] = path;
  if (key === undefined) return true;
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.hasOwn(value, key) &&
    hasField((value as Readonly<Record<string, unknown>>)[key], rest)
  );
}

function toTopLine({ kind, path, field, value, text }: ImportNote): string {
  const equals = kind === 'absent' && value === null ? '' : ` = ${toShort(value)}`;
  const ours = kind === 'absent' && field !== null ? ` (${field})` : '';
  return `  ${toCommentText(`${path}${equals}${ours}${text === null ? '' : `: ${text}`}`)}`;
}

/**
 * Targets to choose from, of those that know the task. Each begins with its comma, so that a line is a target as soon as its comment
 * marks are gone.
 */
function toChoices({ task, target }: ImportedJob): string[] {
  const choices = [
    ...(task === 'classification' ? [{ provider: 'local', model: './models/your-model' }] : []),
    { provider: 'huggingface', model: 'hub:owner/your-model' },
  ].filter(({ provider }) => provider !== target.provider);
  return [
    ...(choices.length === 0 ? [] : ['    // To train elsewhere: name a model, and take the comment marks away.']),
    ...choices.map(
      ({ provider, model }) =>
        `    // , ${toJson(toFreeName(provider, target.name))}: { "provider": ${toJson(provider)}, "model": ${toJson(model)} }`,
    ),
  ];
}

function toFreeName(name: string, taken: string): string {
  return name === taken ? `${name}-2` : name;
}
