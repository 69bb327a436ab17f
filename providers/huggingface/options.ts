import { z } from 'zod';
import { Failure } from '../../src/errors.ts';

/** What a target may set under `options`. What it does not set is chosen by `toEngine` and by the account. */
export const Options = z.strictObject({
  /** The program that trains; `auto` goes by the task and the model. */
  engine: z.enum(['auto', 'autotrain', 'trl', 'transformers']).optional(),
  /** The machine, by the service's name, such as `a10g-small`. */
  flavor: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'expected the name of a machine, such as "t4-small"')
    .optional(),
  /** The user or organization that pays and owns the repositories. */
  namespace: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]{0,95}$/, 'expected the name of a user or an organization')
    .optional(),
  /** The container image, where it is not the engine's own. */
  image: z.string().min(1).max(300).optional(),
  /** Whether the repositories that are made can be seen by their owner only. */
  private: z.boolean().optional(),
});
export type Options = z.infer<typeof Options>;

/** @throws Failure `job-file-invalid` with every problem, a line each */
export function parseOptions(target: string, options: unknown): Options {
  const result = Options.safeParse(options);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${['targets', target, 'options', ...issue.path].join('.')}: ${issue.message}`);
  throw new Failure('job-file-invalid', problems.join('\n'));
}
