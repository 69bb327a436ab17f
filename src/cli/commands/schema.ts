import type { Cli } from '../cli.ts';

/** `orchestrate schema`: the JSON Schema of the job file, for editors. */
export async function schema(cli: Cli): Promise<number> {
  const { buildJobSchema } = await import('../../job/job-spec.ts');
  cli.terminal.print(JSON.stringify(buildJobSchema(), null, 2));
  return 0;
}
