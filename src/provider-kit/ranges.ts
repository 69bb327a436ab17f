import { Failure } from '../errors.ts';

/** What a field may be, as far as the service says it. */
export interface Range {
  /** As the job file has it, such as `training.epochs`. */
  readonly field: string;
  /** Anything but a number is not checked. */
  readonly value: unknown;
  readonly least?: number | null | undefined;
  readonly most?: number | null | undefined;
}

/**
 * Checks what a target asks of a model.
 * @param about the target, the service and the model; `problems` are those that are known already
 * @throws Failure `job-file-invalid` with every problem, a line each
 */
export function checkRanges(
  ranges: readonly Range[],
  {
    target,
    service,
    model,
    problems = [],
  }: { readonly target: string; readonly service: string; readonly model: string; readonly problems?: readonly string[] },
): void {
  const found = ranges.flatMap(({ field, value, least, most }) => {
    if (typeof value !== 'number' || (value >= (least ?? -Infinity) && value <= (most ?? Infinity))) return [];
    const range = most == null ? `at least ${least}` : `${least ?? 0} to ${most}`;
    return [`targets.${target}.${field}: ${service} expects ${range} for ${model}, found ${value}`];
  });
  const all = [...found, ...problems.map((problem) => `targets.${target}.${problem}`)];
  if (all.length > 0) throw new Failure('job-file-invalid', all.join('\n'));
}
