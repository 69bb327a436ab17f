import { measureTasks, type Measure } from '../job/measures.ts';
import type { CommandFunction } from './cli.ts';
import { allowSecrets, dataCommands, initOptions } from './data-commands.ts';
import * as parse from './options.ts';

/** Flag, description, and the parser of its value. */
export type Option = readonly [flags: string, description: string, parse?: (text: string, previous: unknown) => unknown];

export interface CommandEntry {
  /** Name and arguments as commander reads them. */
  readonly usage: string;
  readonly summary: string;
  readonly options?: readonly Option[];
  /** A command's code is loaded when it runs. */
  readonly load: () => Promise<CommandFunction<never>>;
}

const ofJob: readonly Option[] = [
  ['--target <names...>', 'only these targets'],
  ['--set <path=value...>', 'change a field of the job: training.epochs=1; null removes it'],
  allowSecrets,
];

const timeout: Option = [
  '--timeout <time>',
  'stop after 90s, 15m, 2h, also while a service hangs; the runs go on',
  parse.durationMs('--timeout'),
];
const maxUsd: Option = ['--max-usd <dollars>', 'spend at most this much on answers', parse.usd('--max-usd')];
const verdict: readonly Option[] = [
  ['--reference <name>', 'compare tuned models with this: a reference of the job, base, majority, a name of the table, a file of answers'],
  [
    '--margin <amount>',
    'how much worse still counts as not worse, in units of the measure (default: evaluation.margin of the job)',
    parse.number('--margin', Infinity, '0.02'),
  ],
  ['--require <verdict>', 'better, not-worse or equivalent: exit with 104 unless every tuned model reaches it', parse.requirement],
];
const measureNames = Object.keys(measureTasks) as Measure[];
const last: Option = ['--limit <count>', 'only the last', parse.count('--limit')];
const firstRows: Option = ['--limit <count>', 'only the first rows', parse.count('--limit')];

/** What stands above the actions of a command. */
export const groups: Readonly<Record<string, string>> = {
  data: 'check data files, convert, split and measure them, before a job and without sending anything',
};

/** Options that every command has. */
export const sharedOptions: readonly Option[] = [
  ['--dir <folder>', 'the state folder (default: the nearest .orchestrate)'],
  ['--json', 'print JSON'],
  ['-q, --quiet', 'print only what matters: names of runs, verdicts, answers'],
  ['--utc', 'show times in UTC instead of the zone of this machine'],
  ['--env-file <file>', 'read settings and keys from this file (default: .env beside the job file)'],
];

/** Every command, in the order of `--help`. */
export const commands: readonly CommandEntry[] = [
  {
    usage: 'submit <job>',
    summary: 'submit the targets of a job file, each once',
    options: [
      ...ofJob,
      ['--wait', 'follow the runs to the end, then compare them'],
      timeout,
      ['--tag <name=value...>', 'words that are shown with the runs', parse.tags],
      ['--again', 'make a new run although this job was run before'],
    ],
    load: async () => (await import('./commands/submit.ts')).submit,
  },
  {
    usage: 'init [path]',
    summary:
      'write a job file for a file of rows, with what was guessed in its comments: init tickets.csv; or a sample job with its data and its model into a folder, ready to be submitted',
    options: initOptions,
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    usage: 'plan <job>',
    summary: 'show what each target would be asked; change nothing',
    options: ofJob,
    load: async () => (await import('./commands/plan.ts')).plan,
  },
  {
    usage: 'status [run]',
    summary: 'list the runs, or show one',
    options: [
      ['--cached', 'show what was seen last; ask no provider'],
      ['--refresh', 'ask the providers now, also where it is too early'],
      ['--costs', 'what the runs have cost, by provider and in all'],
      ['--exit-code', 'exit with the outcome'],
      ['--tag <name=value...>', 'only runs with these tags', parse.tags],
      ['--limit <count>', 'only the newest', parse.count('--limit')],
    ],
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    usage: 'wait <runs...>',
    summary: 'wait until runs have ended; exit with their outcome',
    options: [timeout],
    load: async () => (await import('./commands/wait.ts')).wait,
  },
  {
    usage: 'watch <runs...>',
    summary: 'follow runs and print each change',
    options: [timeout],
    load: async () => (await import('./commands/wait.ts')).watch,
  },
  {
    usage: 'metrics <run>',
    summary: 'print what was measured',
    options: [last],
    load: async () => (await import('./commands/metrics.ts')).metrics,
  },
  {
    usage: 'logs <run>',
    summary: 'print the log',
    options: [last, ['--follow', 'print new lines too, until the run has ended']],
    load: async () => (await import('./commands/logs.ts')).logs,
  },
  { usage: 'cancel <run>', summary: 'ask a run to stop', load: async () => (await import('./commands/controls.ts')).cancel },
  {
    usage: 'pause <run>',
    summary: 'ask a run to stop where it can go on later',
    load: async () => (await import('./commands/controls.ts')).pause,
  },
  {
    usage: 'resume <run>',
    summary: 'let a paused or interrupted run go on',
    load: async () => (await import('./commands/controls.ts')).resume,
  },
  {
    usage: 'deploy <run>',
    summary: 'start a deployment for a model that needs one; it costs by the hour, and ends at Ctrl-C or after its time',
    options: [
      ['--hours <number>', 'how long: 1, 0.5', parse.hours('--hours')],
      ['--max-usd <dollars>', 'spend at most this much on these hours; the budget of the job holds too', parse.usd('--max-usd')],
      ['--detach', 'return, and leave it up until `undeploy`'],
    ],
    load: async () => (await import('./commands/deploy.ts')).deploy,
  },
  { usage: 'undeploy <run>', summary: 'end a deployment', load: async () => (await import('./commands/deploy.ts')).undeploy },
  {
    usage: 'resolve <run>',
    summary: 'settle a submission whose outcome is unknown',
    options: [
      ['--adopt <id>', 'this job of the provider is the one'],
      ['--absent', 'there is none: the next submit tries again'],
      ['--cancel', 'give the run up'],
    ],
    load: async () => (await import('./commands/controls.ts')).resolve,
  },
  {
    usage: 'evaluate <job>',
    summary: 'have the finished runs of a job answer its held-out rows; print the scores',
    options: [firstRows, maxUsd, ...verdict],
    load: async () => (await import('./commands/evaluate.ts')).evaluate,
  },
  {
    usage: 'compare [job]',
    summary: 'compare finished runs, or a file of answers, with a reference: difference and verdict',
    options: [
      ['--candidate <file>', 'judge the answers of this file instead of a job, with --reference FILE'],
      [
        '--measure <name>',
        `${measureNames.join(', ')}, with --candidate (default: what fits the answers)`,
        parse.oneOf('--measure', measureNames),
      ],
      ...verdict,
    ],
    load: async () => (await import('./commands/evaluate.ts')).compare,
  },
  {
    usage: 'predict <run> [texts...]',
    summary: 'answer texts, or the rows of a data file, with a tuned model (default: the lines of standard input)',
    options: [
      ['--data <file>', 'answer the rows of this file, by the columns of the job; a text that ends in .csv, .tsv or .jsonl is one too'],
      maxUsd,
    ],
    load: async () => (await import('./commands/predict.ts')).predict,
  },
  {
    usage: 'serve <source>',
    summary: 'answer requests of OpenAI’s API with a tuned model on this machine, a run or a folder, until Ctrl-C',
    options: [
      ['--port <port>', 'where it listens (default: 8080; 0: any that is free)', parse.port('--port')],
      ['--host <address>', 'the address that it listens at (default: 127.0.0.1, this machine alone); another one needs --key-name'],
      ['--alias <names...>', 'further names of the model in requests, such as that of the model that it replaces'],
      ['--key-name <variable>', 'the variable with the key that every request must show'],
      ['--concurrency <count>', 'how many requests are answered at once (default: 4)', parse.count('--concurrency')],
      ['--queue <count>', 'how many more may wait; beyond it a request is refused with 429 (default: 64)', parse.whole('--queue')],
    ],
    load: async () => (await import('./commands/serve.ts')).serve,
  },
  {
    usage: 'export <source>',
    summary: 'put the model of a run into a repository of the Hugging Face Hub; or write it, or that of a folder, as one file',
    options: [
      ['--push <hub:owner/name>', 'the repository; it is made where there is none. HF_TOKEN must be able to write to it'],
      ['--public', 'everybody may read a repository that is made (default: it is private)'],
      ['--replace', 'replace the files of a repository that has others; they stay in its history'],
      [
        '--format <gguf>',
        'a file for llama.cpp and Ollama, in F16: language models of the Llama family',
        parse.oneOf('--format', ['gguf']),
      ],
      ['-o, --out <file>', 'the file to write; a new one (default: called like the model, here)'],
    ],
    load: async () => (await import('./commands/export.ts')).exportModel,
  },
  {
    usage: 'capture <model>',
    summary: 'have a model answer the rows of a file, and save the answers: a reference of a job, a tuned model, or any model of a service',
    options: [
      ['--data <file>', 'the rows, with or without labels or answers'],
      ['--job <file>', 'the job file whose reference it is (default: job.json, job.jsonc or job.yaml here)'],
      ['--provider <service>', 'a service; with --model'],
      ['--model <name>', 'a model of the service; the name before it is then free'],
      ['--max-tokens <count>', 'most tokens of an answer; with --model and no job file', parse.count('--max-tokens')],
      ['--temperature <number>', 'of the answers; with --model and no job file', parse.number('--temperature', Infinity, '0 or 0.7')],
      ['--columns <pairs>', 'columns of the file by our names: text=body,label=team', parse.columns],
      ['--out <file>', 'where to write (default: MODEL.jsonl)'],
      maxUsd,
      firstRows,
    ],
    load: async () => (await import('./commands/capture.ts')).capture,
  },
  {
    usage: 'merge <source>',
    summary: 'make one model of an adapter that PEFT saved and its base model; of a run, copy its model, which is merged already',
    options: [
      ['-o, --out <folder>', 'where to write; a new folder'],
      ['--base <model>', 'a folder, or hub:owner/name (default: as the adapter names it)'],
      ['--labels <names...>', 'the classes in the order of the training (default: as the base model names them)'],
    ],
    load: async () => (await import('./commands/merge.ts')).merge,
  },
  ...dataCommands,
  {
    usage: 'import <source> [job]',
    summary:
      'download a job of a service with its data; or turn a configuration of AutoTrain, TRL, LLaMA-Factory or axolotl into a job file',
    options: [
      ['--list', 'list the jobs, models and files of the account at the service'],
      ['--out <folder>', 'where to write (default: a folder called like the job; job.jsonc beside the file)'],
      ['--method <sft|dpo>', 'the method of a configuration of TRL that does not say it', parse.oneOf('--method', ['sft', 'dpo'])],
    ],
    load: async () => (await import('./commands/import.ts')).importSource,
  },
  {
    usage: 'models <service>',
    summary: 'list tunable and tuned models of a service, with their shutdown dates; of `local` the sizes that train here',
    load: async () => (await import('./commands/providers.ts')).models,
  },
  {
    usage: 'doctor',
    summary: 'try what training needs on this machine; say what is missing and how to get it',
    options: [['--install <part>', 'add a backend to this machine: tensorflow or tensorflow-gpu (see docs/backends.md)']],
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    usage: 'sandbox',
    summary: 'start a stand-in of the hosted services on this machine; print the variables to set; costs nothing',
    options: [
      ['--port <port>', 'where it listens (default: a free one)', parse.port('--port')],
      ['--base-model <folder>', 'the model that its jobs train classifiers from'],
    ],
    load: async () => (await import('./commands/sandbox.ts')).sandbox,
  },
  {
    usage: 'providers',
    summary: 'list where this program can train',
    load: async () => (await import('./commands/providers.ts')).providers,
  },
  {
    usage: 'clean [run]',
    summary: 'list ended runs that could be deleted, with their models; delete them with --yes',
    options: [
      ['--provider <name>', 'at this service instead: what was made there for ended runs, and what no run needs'],
      ['--older-than <time>', 'only runs accepted so long ago: 7d', parse.durationMs('--older-than')],
      ['--yes', 'delete'],
    ],
    load: async () => (await import('./commands/clean.ts')).clean,
  },
  { usage: 'schema', summary: 'print the JSON Schema of the job file', load: async () => (await import('./commands/plan.ts')).schema },
];
