import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import type { Dialect } from './dialect.ts';
import table from './prices.json' with { type: 'json' };
import type { Method } from './request.ts';

/** What a million tokens cost, or an hour of hosting. */
export interface Price {
  readonly usd: number;
  /** The day of the price, ISO 8601; null where that is not known. */
  readonly asOf: string | null;
  readonly source: string;
}

/** What is paid for: the tokens of training by a method, of a prompt, of an answer; and the hours of a deployment. */
export type PriceKind = Method['type'] | 'input' | 'output' | 'hosting';

/** What a user says that things cost: US dollars per million tokens, and per hour of hosting. */
const ToldPrices = z.strictObject({
  training: z.number().nonnegative().optional(),
  input: z.number().nonnegative().optional(),
  output: z.number().nonnegative().optional(),
  hosting: z.number().nonnegative().optional(),
});

/** By service, base model and kind. What is not in it is not known: a price is never guessed from another one. */
const prices: Readonly<Record<Dialect['id'], Readonly<Record<string, Readonly<Partial<Record<PriceKind, Price>>>>>>> = table;

interface Priced {
  /** Its name at the service; a tuned model costs what its base costs. */
  readonly model: string;
  readonly kind: PriceKind;
}

/**
 * The price in the setting `ORCHESTRATE_PRICES`, else the one that is known; null where there is none.
 * @throws Failure `configuration-invalid`
 */
export function findPrice(dialect: Dialect, { model, kind }: Priced, context: Context): Price | null {
  const base = dialect.toBaseName(model);
  const toldKind = kind === 'supervised' || kind === 'dpo' ? 'training' : kind;
  const set = parseSetting(context).get(base)?.[toldKind];
  if (set !== undefined) return { usd: set, asOf: null, source: settingName };
  return prices[dialect.id][base]?.[kind] ?? null;
}

const settingName = 'ORCHESTRATE_PRICES';

/** `{"gpt-4.1-mini-2025-04-14": {"training": 5, "input": 0.8, "output": 3.2, "hosting": 1.7}}`, by base model. */
function parseSetting(context: Context): ReadonlyMap<string, z.infer<typeof ToldPrices>> {
  const text = context.setting(settingName);
  if (text === null) return new Map();
  const result = z.record(z.string(), ToldPrices).safeParse(toJson(text));
  if (result.success) return new Map(Object.entries(result.data));
  throw new Failure('configuration-invalid', `${settingName}: expected prices by base model, found something else`, {
    hint: 'in US dollars per 1M tokens, "hosting" per hour, such as {"gpt-4.1-mini-2025-04-14": {"training": 5, "input": 0.8, "output": 3.2, "hosting": 1.7}}',
  });
}

function toJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Dollars of so many tokens. */
export function toUsd(tokens: number, { usd }: Price): number {
  return (tokens * usd) / 1e6;
}

/** `$5 per 1M tokens (source, 2026-11-22)`. */
export function toPriceText({ usd, asOf, source }: Price): string {
  return `$${usd} per 1M tokens (${asOf === null ? source : `${source}, ${asOf}`})`;
}
