/** The actions of `data`. */
import type { CommandEntry, Option } from './commands.ts';
import type { RowTask, TableQuote } from '../dataset/row.ts';
import type { Service } from '../dataset/service-rules.ts';
import type { Form } from '../prepare/forms.ts';
import * as parse from './options.ts';

/** The names of a type, all of them: their modules are loaded by the commands that need them, and not at each start. */
const listNames = <Name extends string>(names: Readonly<Record<Name, true>>): readonly Name[] => Object.keys(names) as Name[];

const tasks = listNames<RowTask>({ classification: true, 'multi-label': true, regression: true, chat: true, preference: true });

/** What `data convert --to` can name. */
const conversions = listNames<Form | 'jsonl' | 'csv'>({
  chat: true,
  classification: true,
  'multi-label': true,
  preference: true,
  'openai-preference': true,
  'prompt-completion': true,
  text: true,
  sharegpt: true,
  alpaca: true,
  jsonl: true,
  csv: true,
});

/** Services whose rules for rows `data check` knows. */
const services = listNames<Service>({ openai: true, azure: true, together: true, huggingface: true, local: true });

const quote: Option = [
  '--quote <kind>',
  'quotes of tables: none reads them as text, double around fields (default: as the file has them)',
  parse.oneOf('--quote', listNames<TableQuote>({ none: true, double: true })),
];
const out = (description: string): Option => ['-o, --out <path>', description];
const tokenizer: Option = [
  '--tokenizer <model>',
  'count tokens too, as this model does: gpt-4.1-mini, a folder such as ./models/tiny-bert, or hub:owner/name',
];
export const allowSecrets: Option = ['--allow-secrets', 'use rows that seem to hold keys or secrets, which are refused otherwise'];
const force: Option = ['--force', 'replace what is there'];
/** How files of rows are read, for commands that write some of them again. */
const ofRows: readonly Option[] = [
  ['--columns <pairs>', 'columns of the files by our names: text=body,label=team', parse.columns],
  ['--task <task>', 'classification, multi-label, regression, chat or preference (default: as the file is)', parse.oneOf('--task', tasks)],
  quote,
  ['--skip-bad', 'leave out rows that cannot be used, and list them (default: refuse the whole)'],
];

/** Of `init`. */
export const initOptions: readonly Option[] = [
  ['--sample', 'the sample: sentences with their sentiment, and a small BERT'],
  ['--test <amount>', 'write held-out rows into a file of their own: a share such as 0.2, or a number of rows', parse.amount('--test')],
  ['--validation <amount>', 'the same for validation rows', parse.amount('--validation')],
  ['--model <model>', 'the model of the first target: ./folder, hub:owner/name, or a model of OpenAI'],
  ['--columns <pairs>', 'columns of the file by our names, where the guess is wrong: text=body,label=team', parse.columns],
  ['--task <task>', 'classification, multi-label, regression, chat or preference (default: as the file is)', parse.oneOf('--task', tasks)],
  quote,
  out('the job file (default: job.jsonc beside the file)'),
  force,
];

export const dataCommands: readonly CommandEntry[] = [
  {
    usage: 'data check <files...>',
    summary: 'check data files before a job, without sending anything: data check train.jsonl --test test.jsonl',
    options: [
      ['--test <files...>', 'held-out rows that are checked against the training rows'],
      ['--validation <files...>', 'validation rows'],
      ['--columns <pairs>', 'columns of the files by our names: text=body,label=team', parse.columns],
      quote,
      ['--for <services>', 'rules of these services too: openai,azure,together,huggingface,local', parse.listOf('--for', services)],
      tokenizer,
      allowSecrets,
      ['--findings <file>', 'write every finding as a line of JSON: line, severity, code, message'],
      [
        '--task <task>',
        'classification, multi-label, regression, chat or preference (default: as the file is)',
        parse.oneOf('--task', tasks),
      ],
    ],
    load: async () => (await import('./commands/data.ts')).check,
  },
  {
    usage: 'data convert <files...>',
    summary: 'write rows in another form, or as another kind of file; no row is left out unless --skip-bad says so; - is standard input',
    options: [
      [
        '--to <form>',
        `what the rows become: ${conversions.join(', ')}; csv and jsonl keep the rows as they are`,
        parse.oneOf('--to', conversions),
      ],
      out('a file that ends in .jsonl or .csv (default: standard output, also as -)'),
      ['--system <text>', 'a system message for conversations that have none'],
      ...ofRows,
      force,
    ],
    load: async () => (await import('./commands/convert.ts')).convert,
  },
  {
    usage: 'data split <files...>',
    summary: 'divide rows into training rows and held-out rows: every input is in one part only, and the same seed gives the same parts',
    options: [
      ['--test <amount>', 'how many rows are held out: a share such as 0.2, or a number of rows', parse.amount('--test')],
      ['--validation <amount>', 'the same for validation rows', parse.amount('--validation')],
      ['--stratify <column>', 'a column whose values every part has in the same shares, such as label'],
      ['--seed <number>', 'another one gives other parts (default: 0)', parse.whole('--seed')],
      out('a folder for train.jsonl, test.jsonl and validation.jsonl (default: FILE.train.jsonl and so on beside the file)'),
      ...ofRows,
      force,
    ],
    load: async () => (await import('./commands/split.ts')).split,
  },
  {
    usage: 'data stats <files...>',
    summary: 'measure rows: labels and their balance, lengths in characters, words and tokens, messages, duplicates; - is standard input',
    options: [tokenizer, ...ofRows.slice(0, 3)],
    load: async () => (await import('./commands/stats.ts')).stats,
  },
  {
    usage: 'data from-predictions <file>',
    summary: 'turn the answers of a predictions file into training rows',
    options: [
      ['--out <file>', 'where to write training rows'],
      ['--task <task>', 'classification, multi-label, regression or chat (default: as the file is)', parse.oneOf('--task', tasks)],
    ],
    load: async () => (await import('./commands/data.ts')).fromPredictions,
  },
];
