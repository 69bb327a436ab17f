import { z } from 'zod';
import type { ChatMessage } from '../../src/dataset/row.ts';
import { findTraits } from '../../src/dataset/row-traits.ts';
import { Failure } from '../../src/errors.ts';
import { parseJsonOr } from '../../src/lib/json.ts';
import type { Context, PredictionContext, QuoteContext } from '../../src/provider/context.ts';
import type { ModelRef } from '../../src/provider/model.ts';
import type { Prediction, PredictionRow } from '../../src/provider/prediction.ts';
import type { Quote } from '../../src/provider/provider.ts';
import type { Api } from './client.ts';
import type { Price, PriceKind } from './config.ts';
import { getHyperparameters, getMethodType } from './hyperparameters.ts';
import { checkAnswerable } from './predict.ts';
import type { CreateRequest } from './request.ts';
import { countMessageTokens, countRowTokens, loadTokenizer, type TokenCount } from './tokens.ts';

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
  const prices = parseSetting(context);
  // A person may name a model without its date: then the price holds for all dates.
  const given = (prices.get(base) ?? prices.get(base.replace(/-\d{4}-\d{2}-\d{2}$/, '')))?.[
    kind === 'supervised' || kind === 'dpo' ? 'training' : kind
  ];
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
  const result = z.record(z.string(), GivenPrices).safeParse(parseJsonOr(text, null));
  if (result.success) return new Map(Object.entries(result.data));
  throw new Failure('configuration-invalid', `${settingName}: expected prices by base model, found something else`, {
    hint: `give US dollars per 1M tokens, "hosting" per hour, such as ${example}`,
  });
}

/** Dollars of so many tokens. */
export function toUsd(tokens: number, { usd }: Price): number {
  return (tokens * usd) / 1e6;
}

/** `$5 per 1M tokens (source, 2026-11-22)`. */
export function formatPrice({ usd, asOf, source }: Price): string {
  return `$${usd} per 1M tokens (${asOf === null ? source : `${source}, ${asOf}`})`;
}

/**
 * Epochs where the service chooses them. Its rule is not published, and it takes more of them the fewer rows there are; only the bounds
 * of the field itself are sure.
 */
const chosenEpochs: TokenCount = { least: 1, most: 50 };

/**
 * What a training costs: its tokens times its epochs; null where the price is not known, or rows have images, whose tokens depend on sizes
 * that are not looked at. Validation rows are not charged for.
 */
export async function quoteTraining(api: Api, request: CreateRequest, context: QuoteContext): Promise<Quote | null> {
  const { model, rows } = request;
  const price = findPrice(api, { model, kind: getMethodType(request) === 'dpo' ? 'dpo' : 'supervised' }, context);
  if (price === null || context.facts.train.traits?.images !== undefined) return null;
  const count = await loadTokenizer();
  const tokens = await sum(context, context.readRows('train'), (row) => countRowTokens(row, rows, count));
  const { n_epochs: set } = getHyperparameters(request);
  const epochs = set === undefined ? chosenEpochs : { least: set, most: set };
  return {
    currency: 'USD',
    low: toUsd(tokens.least * epochs.least, price),
    high: toUsd(tokens.most * epochs.most, price),
    source: epochs === chosenEpochs ? `${price.source}; the service chooses from 1 to 50 epochs` : price.source,
    asOf: price.asOf,
    trainingTokens: tokens.most,
  };
}

/**
 * What answers cost: the tokens of the prompts, and answers from one token to the longest allowed; null where a price is not known, or
 * the longest answer is not. A request that is sent again after a lost connection may be charged twice, which is not included.
 */
export async function quotePredictions(
  api: Api,
  { model, rows }: { readonly model: ModelRef; readonly rows: readonly PredictionRow[] },
  context: PredictionContext,
): Promise<Quote | null> {
  const checked = checkAnswerable(api, { model, rows }, context);
  const { maxTokens, schema } = context.generation;
  const input = findPrice(api, { model: checked.model.base, kind: 'input' }, context);
  const output = findPrice(api, { model: checked.model.base, kind: 'output' }, context);
  if (input === null || output === null || maxTokens === undefined || checked.rows.some(hasImages)) return null;
  const count = await loadTokenizer();
  const schemaTokens = schema === undefined ? 0 : count(JSON.stringify(schema)); // nobody says how a service writes it
  const tokens = await sum(context, checked.rows, ({ messages, tools }) => {
    const { least, most } = countMessageTokens(messages, tools, count);
    return { least, most: most + schemaTokens };
  });
  return {
    currency: 'USD',
    low: toUsd(tokens.least, input) + toUsd(rows.length, output),
    high: toUsd(tokens.most, input) + toUsd(rows.length * maxTokens, output),
    source: [...new Set([input.source, output.source])].join('; '),
    // The older of the two days: no price is newer than it seems.
    asOf: [input.asOf, output.asOf].filter((day) => day !== null).sort()[0] ?? null,
  };
}

function hasImages({ messages }: { readonly messages: readonly ChatMessage[] }): boolean {
  return findTraits({ messages }).has('images');
}

/** What an answer costs by the tokens that the service has counted; null where a price is not known. */
export function priceTokens(
  api: Api,
  { model, tokens }: { readonly model: ModelRef; readonly tokens: NonNullable<Prediction['tokens']> },
  context: Context,
): number | null {
  const base = model.kind === 'endpoint' ? model.base : '';
  const input = findPrice(api, { model: base, kind: 'input' }, context);
  const output = findPrice(api, { model: base, kind: 'output' }, context);
  return input === null || output === null ? null : toUsd(tokens.input, input) + toUsd(tokens.output, output);
}

async function sum<Row>(
  { signal }: QuoteContext | PredictionContext,
  rows: AsyncIterable<Row> | Iterable<Row>,
  count: (row: Row) => TokenCount,
): Promise<TokenCount> {
  let least = 0;
  let most = 0;
  for await (const row of rows) {
    signal.throwIfAborted();
    const tokens = count(row);
    least += tokens.least;
    most += tokens.most;
  }
  return { least, most };
}
