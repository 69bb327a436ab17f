/** Money in the store is a whole number of micro-dollars (millionths of a US dollar): their sums are exact. */

/** A billion dollars: whatever claims to cost more is as far above any budget, and sums stay exact. */
const mostMicroDollars = 1e15;

/** Thousandths of a micro-dollar are noise of the arithmetic that made the amount. */
function toScaled(usd: number): number {
  if (!(usd >= 0)) throw new Error(`expected an amount of 0 dollars or more, found ${usd}`);
  return Math.min(Math.round(usd * 1e9) / 1e3, mostMicroDollars);
}

/** What something costs: rounded up, so that many small amounts never add up to more than was counted. */
export function toMicroDollars(usd: number): number {
  return Math.ceil(toScaled(usd));
}

/** What may be spent: rounded down. */
export function toBudgetMicroDollars(usd: number): number {
  return Math.floor(toScaled(usd));
}

export function toUsd(microDollars: number): number {
  return microDollars / 1e6;
}

/** `$5.00`, `$0.001234`: no digit that matters is rounded away. */
export function formatUsd(usd: number): string {
  return usd.toLocaleString('en-US', { style: 'currency', currency: 'USD', minimumFractionDigits: 2, maximumFractionDigits: 6 });
}
