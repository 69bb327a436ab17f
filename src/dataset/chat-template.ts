/** The chat template of a tokenizer: a conversation as the text that a model reads, as transformers' `apply_chat_template` writes it. */
import * as jinja from '@huggingface/jinja';
import { Failure } from '../errors.ts';
import { createDataFailure } from './findings.ts';
import type { ChatMessage } from './row.ts';

/** What we use of the library. Its own declarations name files without endings, which Node's resolution does not find. */
interface Scope {
  set(name: string, value: unknown): void;
}
interface Program {
  readonly type: string;
}
const library = jinja as unknown as {
  readonly Environment: new () => Scope;
  readonly Interpreter: new (scope: Scope) => { run(program: Program): { readonly value: string } };
  readonly tokenize: (template: string, options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean }) => unknown;
  readonly parse: (tokens: unknown) => Program;
};

/** What a template is given of a conversation. */
export interface TemplateInput {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[] | undefined;
}

export interface RenderOptions {
  /** Ends the text where the model's answer begins. */
  readonly addGenerationPrompt?: boolean;
}

/** From the first character to before the last one, in UTF-16 units. */
export type Span = readonly [start: number, end: number];

/** A conversation as text. */
export interface RenderedChat {
  readonly text: string;
  /** What the template puts between `{% generation %}` and `{% endgeneration %}`; null where it has no such blocks. */
  readonly generated: readonly Span[] | null;
}

export interface ChatTemplate {
  /** @throws Failure `data-invalid` where the template refuses the conversation, or cannot read it */
  render(input: TemplateInput, options?: RenderOptions): RenderedChat;
}

/** A template as a tokenizer's files have it. */
export interface TemplateSource {
  readonly template: string;
  /** By name, such as `bos_token`: variables of the template. */
  readonly specialTokens: Readonly<Record<string, string | readonly string[]>>;
  /** Names the template in errors. */
  readonly path: string;
}

/*
 * Halves of surrogate pairs mark where a generation block begins and ends: no text of a row may hold one, and neither does a template,
 * whose files are valid UTF-8.
 */
const beginMark = '\udc00';
const endMark = '\udc01';
const marks = /[\udc00\udc01]/;

/**
 * @param now is what a template gets for the date of today
 * @throws Failure `model-invalid` for a template that is not valid
 */
export function parseChatTemplate({ template, specialTokens, path }: TemplateSource, now: () => Date): ChatTemplate {
  const hasBlocks = generationTag.test(template);
  const program = parseProgram(markGeneration(template), path);
  return {
    render({ messages, tools }, { addGenerationPrompt = false } = {}) {
      const variables = {
        ...specialTokens,
        messages,
        tools: tools === undefined || tools.length === 0 ? null : tools,
        documents: null,
        add_generation_prompt: addGenerationPrompt,
      };
      const marked = run(program, createScope(variables, now), path);
      return hasBlocks ? takeMarks(marked) : { text: marked, generated: null };
    },
  };
}

function parseProgram(template: string, path: string): Program {
  try {
    return library.parse(library.tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
  } catch (error) {
    throw new Failure('model-invalid', `${path}: the chat template is not valid: ${toReason(error)}`, { error });
  }
}

/** A refusal of the template itself, by `raise_exception`. */
class TemplateError extends Error {}

/** The globals that transformers gives to every template, and the variables of one conversation. */
function createScope(variables: Readonly<Record<string, unknown>>, now: () => Date): Scope {
  const scope = new library.Environment();
  const globals = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range: (...bounds: number[]) => listRange(bounds),
    raise_exception: (message: unknown) => {
      throw new TemplateError(String(message));
    },
    strftime_now: (format: string) => formatTime(now(), format),
    begin_generation: beginMark,
    end_generation: endMark,
  };
  for (const [name, value] of Object.entries({ ...globals, ...variables })) scope.set(name, value);
  return scope;
}

function run(program: Program, scope: Scope, path: string): string {
  try {
    return new library.Interpreter(scope).run(program).value;
  } catch (error) {
    const reason = toReason(error);
    const message =
      error instanceof TemplateError
        ? `the chat template refuses the conversation: ${reason}`
        : `the chat template cannot read the conversation: ${reason}`;
    throw createDataFailure('chat-template', message, { hint: `The template is that of ${path}.`, error });
  }
}

function toReason(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 200) : String(error);
}

/** Templates loop over messages and tools: a longer list is a mistake of the template, and would fill the memory. */
const longestRange = 1_000_000;

function listRange(bounds: readonly number[]): number[] {
  const [start, stop, step] = bounds.length === 1 ? [0, bounds[0]!, 1] : [bounds[0]!, bounds[1]!, bounds[2] ?? 1];
  if (step === 0 || Math.abs((stop - start) / step) > longestRange) throw new TemplateError(`range(${bounds.join(', ')})`);
  return Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_, i) => start + i * step);
}

const generationTag = /\{%-?\s*generation\s*-?%\}/;

/**
 * The tags of generation blocks, which the library leaves out, as blocks that print a mark; white space around them is cut as it is around
 * every block.
 */
function markGeneration(template: string): string {
  return template.replace(/\{%(-?)\s*(end)?generation\s*(-?)%\}/g, (_, left: string, end: string | undefined, right: string) => {
    return end === undefined
      ? `{%${left} if true %}{{ begin_generation }}{% if true ${right}%}`
      : `{%${left} endif %}{{ end_generation }}{% endif ${right}%}`;
  });
}

function takeMarks(marked: string): RenderedChat {
  const generated: Span[] = [];
  let text = '';
  let start = 0;
  for (let i = 0; i < marked.length; i++) {
    const unit = marked[i]!;
    // The second half of a pair belongs to the character before it.
    if (!marks.test(unit) || isFirstHalf(marked, i - 1)) text += unit;
    else if (unit === beginMark) start = text.length;
    else generated.push([start, text.length]);
  }
  return { text, generated };
}

function isFirstHalf(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xd800 && code < 0xdc00;
}

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = 'January February March April May June July August September October November December'.split(' ');

/** Python's strftime in the locale C, for what dates and times need. */
function formatTime(date: Date, format: string): string {
  const pad = (value: number, length = 2): string => String(value).padStart(length, '0');
  const hour = date.getHours();
  const fields: Readonly<Record<string, string>> = {
    Y: String(date.getFullYear()),
    y: pad(date.getFullYear() % 100),
    m: pad(date.getMonth() + 1),
    B: months[date.getMonth()]!,
    b: months[date.getMonth()]!.slice(0, 3),
    d: pad(date.getDate()),
    A: days[date.getDay()]!,
    a: days[date.getDay()]!.slice(0, 3),
    H: pad(hour),
    I: pad(hour % 12 === 0 ? 12 : hour % 12),
    p: hour < 12 ? 'AM' : 'PM',
    M: pad(date.getMinutes()),
    S: pad(date.getSeconds()),
    '%': '%',
  };
  return format.replace(/%(.)/g, (whole, field: string) => fields[field] ?? whole);
}
