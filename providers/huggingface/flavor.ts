/** What the name of a machine says about its hardware. */
export interface Machine {
  readonly devices: number;
  readonly isCpu: boolean;
  /** Whether its GPU computes in bfloat16 (Ampere and later). */
  readonly hasBf16: boolean;
}

/** The cheapest machine with a GPU. */
export const defaultFlavor = 't4-small';

/** `a10g-largex4` has four GPUs, `l4x1` one. */
export function toMachine(flavor: string): Machine {
  const isCpu = flavor.startsWith('cpu-');
  const count = /x([1-9]\d?)$/.exec(flavor);
  return { devices: count === null ? 1 : Number(count[1]), isCpu, hasBf16: !isCpu && !flavor.startsWith('t4-') };
}
