import type { PredictionContext, QuoteContext } from '../../src/provider/context.ts';
import type { ModelRef } from '../../src/provider/model.ts';
import type { PredictionRow } from '../../src/provider/prediction.ts';
import type { Quote } from '../../src/provider/provider.ts';
import type { Api } from './client.ts';
import { getHyperparameters, getMethodType } from './hyperparameters.ts';
import { checkAnswerable } from './predict.ts';
import { findPrice, toUsd } from './prices.ts';
import type { CreateRequest } from './request.ts';
import { countMessageTokens, countRowTokens, loadTokenizer, type TokenCount } from './tokens.ts';

/**
 * Epochs where the service chooses them. Its rule is not published, and it takes more of them the fewer rows there are; only the bounds
 * of the field itself are sure.
 */
const chosenEpochs: TokenCount = { least: 1, most: 50 };

/** What a training costs: its tokens times its epochs; null where the price is not known. Validation rows are not charged for. */
export async function quoteTraining(api: Api, request: CreateRequest, context: QuoteContext): Promise<Quote | null> {
  const { model, rows } = request;
  const price = findPrice(api, { model, kind: getMethodType(request) === 'dpo' ? 'dpo' : 'supervised' }, context);
  if (price === null) return null;
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
  const { maxTokens } = context.generation;
  const input = findPrice(api, { model: checked.model.base, kind: 'input' }, context);
  const output = findPrice(api, { model: checked.model.base, kind: 'output' }, context);
  if (input === null || output === null || maxTokens === undefined) return null;
  const count = await loadTokenizer();
  const tokens = await sum(context, checked.rows, ({ messages, tools }) => countMessageTokens(messages, tools, count));
  return {
    currency: 'USD',
    low: toUsd(tokens.least, input) + toUsd(rows.length, output),
    high: toUsd(tokens.most, input) + toUsd(rows.length * maxTokens, output),
    source: [...new Set([input.source, output.source])].join('; '),
    // The older of the two days: no price is newer than it seems.
    asOf: [input.asOf, output.asOf].filter((day) => day !== null).sort()[0] ?? null,
  };
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
