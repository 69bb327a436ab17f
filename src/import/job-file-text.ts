import { buildJobSpec, formatField, type ImportedJob } from './imported-job.ts';
import { changesTraining } from './unmatched.ts';
import type { ImportNote } from './source.ts';

/**
 * An imported job as the text of a job file, JSON with comments: the origin of each field is behind it, and what is not in the file is at
 * the top. Below the source's own target are others to choose from, as comments. The same job gives the same text.
 */
export function formatJobFile(job: ImportedJob): string {
  const { carried = [], converted = [], unmatched = [], absent = [] } = Object.groupBy(job.notes, ({ kind }) => kind);
  const origins = Map.groupBy(
    job.notes.filter(({ kind }) => kind === 'carried' || kind === 'converted'),
    ({ field }) => field!,
  );
  const written = new Set<string>();
  const body = formatLines(buildJobSpec(job), (path) => {
    const field = formatField(path);
    written.add(field);
    const notes = origins.get(field);
    return notes === undefined ? '' : ` // ${formatOrigin(notes)}`;
  });
  body.splice(-2, 0, ...formatChoices(job)); // inside of "targets", the last field
  const isWritten = ({ field }: ImportNote): boolean => field !== null && written.has(field);
  const changes = ({ text }: ImportNote): boolean => text?.startsWith(changesTraining) === true;
  const withoutPrefix = (note: ImportNote): ImportNote => ({ ...note, text: note.text!.slice(changesTraining.length + ': '.length) });
  const sections: readonly (readonly [title: string, notes: readonly ImportNote[]])[] = [
    ['Settings that a job does not have; the training differs without them:', unmatched.filter(changes).map(withoutPrefix)],
    ['Settings that a job does not have:', unmatched.filter((note) => !changes(note))],
    ['Not set in the source, and written below; please check:', absent.filter(isWritten)],
    [
      'Not set in the source, so each target decides. The source trains with these values; add the ones that matter:',
      absent.filter((note) => !isWritten(note)),
    ],
    ['Expressed differently:', [...carried, ...converted].filter((note) => !isWritten(note))],
  ];
  const top = sections.flatMap(([title, notes]) => (notes.length === 0 ? [] : ['', title, ...notes.map(formatTopLine)]));
  const comments = [`Imported from ${escapeText(job.source)}. The comment behind a field names its origin.`, ...top];
  return `${[...comments.map((line) => `// ${line}`.trimEnd()), ...body].join('\n')}\n`;
}

type FormatComment = (path: readonly string[]) => string;

/** An object on several lines, anything else on one. */
function formatLines(value: unknown, formatComment: FormatComment, path: readonly string[] = []): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length === 0) return [formatJson(value)];
  const members = Object.entries(value).map(([key, item]) => {
    const at = [...path, key];
    const comment = formatComment(at);
    return { key, comment, lines: formatLines(item, formatComment, at) };
  });
  const lines = members.flatMap(({ key, comment, lines: [first, ...others] }, i) => {
    const comma = i < members.length - 1 ? ',' : '';
    if (others.length === 0) return [`${formatJson(key)}: ${first}${comma}${comment}`];
    return [`${formatJson(key)}: ${first}${comment}`, ...others.slice(0, -1), `${others.at(-1)}${comma}`];
  });
  return ['{', ...lines.map((line) => `  ${line}`), '}'];
}

/** JSON on one line that shows all it contains: characters that are invisible or change the direction of text are escaped. */
function formatJson(value: unknown): string {
  return escapeText(JSON.stringify(value) ?? 'nothing');
}

/** One line for any text, so that no comment ends before its line does. JSON reads the escapes as the same text. */
function escapeText(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

function formatShort(text: string, most: number): string {
  const escaped = escapeText(text);
  return escaped.length > most ? `${escaped.slice(0, most - 1)}…` : escaped;
}

function formatShortJson(value: unknown): string {
  return formatShort(formatJson(value), 100);
}

/** The settings behind a field; those with the same reason share it. */
function formatOrigin(notes: readonly ImportNote[]): string {
  const parts = [...Map.groupBy(notes, ({ text }) => text)].map(([text, group]) => {
    const sources = group.map(({ path, value }) =>
      text === null || typeof value === 'object' ? path : `${path} ${formatShortJson(value)}`,
    );
    return text === null ? sources.join(', ') : `${sources.join(', ')}: ${text}`;
  });
  return formatShort(parts.join('; '), 400);
}

function formatTopLine({ kind, path, field, value, text }: ImportNote): string {
  const isAbsent = kind === 'absent';
  const equals = isAbsent && value === null ? '' : ` = ${formatShortJson(value)}`;
  const ours = isAbsent && field !== null ? ` (${field})` : '';
  return `  ${formatShort(`${path}${equals}${ours}${text === null ? '' : `: ${text}`}`, 400)}`;
}

/** Other targets for the task. Each begins with its comma, so that a line is a target as soon as its comment marks are removed. */
function formatChoices({ task, target }: ImportedJob): string[] {
  const choices = [
    ...(task === 'classification' ? [{ provider: 'local', model: './models/your-model' }] : []),
    ...(task === 'regression' ? [] : [{ provider: 'huggingface', model: 'hub:owner/your-model' }]),
  ].filter(({ provider }) => provider !== target.provider);
  const lines = choices.map(({ provider, model }) => {
    const name = provider === target.name ? `${provider}-2` : provider;
    return `    // , "${name}": { "provider": "${provider}", "model": "${model}" }`;
  });
  return lines.length === 0 ? [] : ['    // To train elsewhere: name a model, and remove the comment marks.', ...lines];
}
