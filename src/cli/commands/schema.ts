import type { Cli } from '../cli.ts';

/** `orchestrate schema`: the JSON Schema of the job file, for editors. */
export async function schema(cli: Cli): Promise<number> {
  const { toJobSchema } = await import('../../job/job-schema.ts');
  cli.terminal.print(JSON.stringify(toJobSchema(), null, 2));
  return 0;
}
