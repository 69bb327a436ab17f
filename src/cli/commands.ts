import type { CommandFunction } from './cli.ts';

interface CommandEntry {
  /** Name and arguments as commander reads them. */
  readonly usage: string;
  readonly summary: string;
  /** Flag and description. */
  readonly options?: readonly (readonly [flags: string, description: string])[];
  /** A command's code is loaded when it runs. */
  readonly load: () => Promise<CommandFunction>;
}

const ofJob = [
  ['--target <names...>', 'only these targets'],
  ['--set <path=value...>', 'change a field of the job, for example training.epochs=1'],
] as const;

const timeout = ['--timeout <time>', 'stop following after 90s, 15m, 2h; the runs go on'] as const;
const maxUsd = ['--max-usd <dollars>', 'answers may cost so much; for models that cost'] as const;
const verdict = [
  ['--reference <name>', 'hold tuned models against this: a reference of the job, base, majority, a name of the table, a file of answers'],
  ['--margin <share>', 'how much worse still counts as not worse, from 0 to 1 (default: evaluation.margin of the job)'],
  ['--require <verdict>', 'better, not-worse or equivalent: exit with 104 unless every tuned model reaches it'],
] as const;
const last = ['--limit <count>', 'only the last'] as const;

/** Options that every command has. */
export const sharedOptions = [
  ['--dir <folder>', 'the state folder (default: the nearest .orchestrate)'],
  ['--json', 'print JSON'],
  ['-q, --quiet', 'print only the names of runs'],
] as const;

/** Every command, in the order of `--help`. */
export const commands: readonly CommandEntry[] = [
  {
    usage: 'submit <job>',
    summary: 'submit the targets of a job file, each once',
    options: [
      ...ofJob,
      ['--wait', 'follow the runs to the end, then compare them'],
      timeout,
      ['--tag <name=value...>', 'words that are shown with the runs'],
      ['--again', 'make a new run although this job was run before'],
    ],
    load: async () => (await import('./commands/submit.ts')).submit,
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
      ['--refresh', 'look at the providers first'],
      ['--exit-code', 'exit with the outcome'],
      ['--tag <name=value...>', 'only runs with these tags'],
      ['--limit <count>', 'only the newest'],
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
    load: async () => (await import('./commands/watch.ts')).watch,
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
    summary: 'make a tuned model answer that needs a deployment, which costs by the hour; end it at Ctrl-C or after its time',
    options: [
      ['--hours <number>', 'how long: 1, 0.5'],
      ['--max-usd <dollars>', 'these hours may cost so much; the budget of the job holds beside it'],
      ['--detach', 'return, and leave it up until `undeploy`'],
    ],
    load: async () => (await import('./commands/deploy.ts')).deploy,
  },
  { usage: 'undeploy <run>', summary: 'end a deployment', load: async () => (await import('./commands/undeploy.ts')).undeploy },
  {
    usage: 'resolve <run>',
    summary: 'decide about a submission of which nobody knows whether it arrived',
    options: [
      ['--adopt <id>', 'this job of the provider is the one'],
      ['--absent', 'there is none: the next submit tries again'],
      ['--cancel', 'give the run up'],
    ],
    load: async () => (await import('./commands/resolve.ts')).resolve,
  },
  {
    usage: 'evaluate <job>',
    summary: 'have the finished runs of a job answer its held-out rows; print the scores',
    options: [['--limit <count>', 'only the first rows'], maxUsd, ...verdict],
    load: async () => (await import('./commands/evaluate.ts')).evaluate,
  },
  {
    usage: 'compare <job>',
    summary: 'hold the finished runs of a job against a reference: difference and verdict',
    options: verdict,
    load: async () => (await import('./commands/compare.ts')).compare,
  },
  {
    usage: 'predict <run> [texts...]',
    summary: 'answer texts with a tuned model (given none: the lines of standard input)',
    options: [maxUsd],
    load: async () => (await import('./commands/predict.ts')).predict,
  },
  {
    usage: 'capture <model>',
    summary: 'have a model answer the rows of a file, and keep the answers: a reference of a job, a tuned model, or any of a service',
    options: [
      ['--data <file>', 'the rows, with or without labels or answers'],
      ['--job <file>', 'the job file whose reference it is (default: job.json, job.jsonc or job.yaml here)'],
      ['--provider <service>', 'a service; with --model'],
      ['--model <name>', 'a model of it; then its name here is free'],
      ['--max-tokens <count>', 'most tokens of an answer; with --model and no job file'],
      ['--temperature <number>', 'of the answers; with --model and no job file'],
      ['--columns <pairs>', 'columns of the file by our names: text=body,label=team'],
      ['--out <file>', 'where to write (default: MODEL.jsonl)'],
      maxUsd,
      ['--limit <count>', 'only the first rows'],
    ],
    load: async () => (await import('./commands/capture.ts')).capture,
  },
  {
    usage: 'data <action> <file>',
    summary: 'make training rows of a predictions file: data from-predictions FILE --out train.jsonl',
    options: [
      ['--out <file>', 'where to write'],
      ['--task <task>', 'classification or chat (default: as the file is)'],
    ],
    load: async () => (await import('./commands/data.ts')).data,
  },
  {
    usage: 'import <source> [job]',
    summary: 'bring a job of a service home, with its data; or make a job file of a configuration of another program',
    options: [
      ['--list', 'list the jobs, models and files of the account at the service'],
      ['--out <folder>', 'where to write (default: a folder called like the job; job.jsonc beside the file)'],
      ['--method <sft|dpo>', 'the command that a configuration of TRL is for, where it does not say'],
    ],
    load: async () => (await import('./commands/import.ts')).importSource,
  },
  {
    usage: 'models <service>',
    summary: 'list the models of a service that can be tuned, and the tuned ones, with the day on which each ends',
    load: async () => (await import('./commands/models.ts')).models,
  },
  {
    usage: 'doctor',
    summary: 'try what training needs on this machine; say what is missing and how to get it',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    usage: 'sandbox',
    summary: 'start a stand-in of the hosted services on this machine; print the variables to set; costs nothing',
    options: [
      ['--port <port>', 'where it listens (default: a free one)'],
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
      ['--older-than <time>', 'only runs accepted so long ago: 7d'],
      ['--yes', 'delete'],
    ],
    load: async () => (await import('./commands/clean.ts')).clean,
  },
  { usage: 'schema', summary: 'print the JSON Schema of the job file', load: async () => (await import('./commands/schema.ts')).schema },
];
