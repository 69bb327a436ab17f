import { z } from 'zod';
import { Failure } from '../../src/errors.ts';

/** Ends up in the name of the tuned model; the target's own name when absent. */
const suffix = z.string().min(1).optional();

/** What a target of OpenAI may set under `options`. */
export const OpenAIOptions = z.strictObject({ suffix });

/** What a target of Azure may set under `options`. */
export const AzureOptions = z.strictObject({
  suffix,
  /** Where Azure trains, which decides the price: in the resource's region, anywhere, or on spare capacity. */
  trainingType: z.enum(['standard', 'globalStandard', 'developerTier']).optional(),
});

export interface Options {
  readonly suffix?: string | undefined;
  readonly trainingType?: z.infer<typeof AzureOptions>['trainingType'];
}

/** Checks what a target set under `options`. @throws Failure `job-file-invalid` with every problem, a line each */
export function parseOptions(schema: z.ZodType<Options>, target: string, options: unknown): Options {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${['targets', target, 'options', ...issue.path].join('.')}: ${issue.message}`);
  throw new Failure('job-file-invalid', problems.join('\n'));
}
