/** One figure of ours beside the reference's. */
export interface Check {
  /** What is compared, for example `bert-step.json: step.loss`. */
  readonly name: string;
  readonly found: number | string;
  readonly expected: number | string;
  /** The largest difference that passes; 0 where the values must be equal. */
  readonly tolerance: number;
  readonly passed: boolean;
}

/** A number within an absolute tolerance. NaN never passes. */
export function toCheck(name: string, found: number, expected: number, tolerance: number): Check {
  return { name, found, expected, tolerance, passed: Math.abs(found - expected) <= tolerance };
}

/** A number within a relative tolerance of the expected one. */
export function toRelativeCheck(name: string, found: number, expected: number, relative: number): Check {
  return toCheck(name, found, expected, relative * Math.abs(expected));
}

/** Values that must be equal as JSON. */
export function toEqualCheck(name: string, found: unknown, expected: unknown): Check {
  const [a, b] = [JSON.stringify(found) ?? 'undefined', JSON.stringify(expected) ?? 'undefined'];
  return { name, found: a, expected: b, tolerance: 0, passed: a === b };
}
