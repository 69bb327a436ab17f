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

/** Every command, in the order of `--help`. */
export const commands: readonly CommandEntry[] = [
  {
    usage: 'submit <job>',
    summary: 'submit the targets of a job file, each once',
    options: [
      ...ofJob,
      ['--wait', 'follow the runs to the end, then compare them'],
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
    options: [['--exit-code', 'exit with the outcome']],
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    usage: 'wait <runs...>',
    summary: 'wait until runs have ended; exit with their outcome',
    load: async () => (await import('./commands/wait.ts')).wait,
  },
  {
    usage: 'watch <runs...>',
    summary: 'follow runs and print each change',
    load: async () => (await import('./commands/watch.ts')).watch,
  },
  { usage: 'metrics <run>', summary: 'print what was measured', load: async () => (await import('./commands/metrics.ts')).metrics },
  { usage: 'logs <run>', summary: 'print the log', load: async () => (await import('./commands/logs.ts')).logs },
  { usage: 'cancel <run>', summary: 'ask a run to stop', load: async () => (await import('./commands/cancel.ts')).cancel },
  {
    usage: 'compare <job>',
    summary: 'score the finished runs of a job on its held-out rows',
    load: async () => (await import('./commands/compare.ts')).compare,
  },
  {
    usage: 'predict <run> [texts...]',
    summary: 'answer texts with a tuned model (given none: the lines of standard input)',
    load: async () => (await import('./commands/predict.ts')).predict,
  },
];
