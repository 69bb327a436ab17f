import { z } from 'zod';
import { Failure } from '../../src/errors.ts';
import type { Context } from '../../src/provider/context.ts';
import type { Api } from './client.ts';
import type { Price, PriceKind } from './config.ts';

/** Prices that a user gives: US dollars per million tokens, and per hour of hosting. */
const GivenPrices = z.strictObject({
  training: z.number().nonnegative().optional(),
  input: z.number().nonnegative().optional(),
  output: z.number().nonnegative().optional(),
  hosting: z.number().nonnegative().optional(),
});

interface Priced {
  /** Its name at the service; a tuned model costs what its base costs. */
  readonly model: string;
  readonly kind: PriceKind;
}

/**
 * The price in the setting `ORCHESTRATE_PRICES`, else the known one; null where there is none: a price is never guessed from another.
 * @throws Failure `configuration-invalid`
 */
export function findPrice({ config, getBaseName }: Api, { model, kind }: Priced, context: Context): Price | null {
  const base = getBaseName(model);
  const given = parseSetting(context).get(base)?.[kind === 'supervised' || kind === 'dpo' ? 'training' : kind];
  if (given !== undefined) return { usd: given, asOf: null, source: settingName };
  const known = config.prices ?? {};
  return (Object.hasOwn(known, base) ? known[base]?.[kind] : null) ?? null;
}

const settingName = 'ORCHESTRATE_PRICES';
const example = '{"gpt-4.1-mini-2025-04-14": {"training": 5, "input": 0.8, "output": 3.2, "hosting": 1.7}}';

/** Prices by base model, such as `example`. */
function parseSetting(context: Context): ReadonlyMap<string, z.infer<typeof GivenPrices>> {
  const text = context.setting(settingName);
  if (text === null) return new Map();
  const result = z.record(z.string(), GivenPrices).safeParse(parseJson(text));
  if (result.success) return new Map(Object.entries(result.data));
  throw new Failure('configuration-invalid', `${settingName}: expected prices by base model, found something else`, {
    hint: `give US dollars per 1M tokens, "hosting" per hour, such as ${example}`,
  });
}

function parseJson(text: string): unknown {
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
export function formatPrice({ usd, asOf, source }: Price): string {
  return `$${usd} per 1M tokens (${asOf === null ? source : `${source}, ${asOf}`})`;
}
