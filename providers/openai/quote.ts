import type { PredictionContext, QuoteContext } from '../../src/provider/context.ts';
import type { ModelRef } from '../../src/provider/model.ts';
import type { PredictionRow } from '../../src/provider/prediction.ts';
import type { Quote } from '../../src/provider/provider.ts';
import { checkAnswerable } from './check-answerable.ts';
import { countMessageTokens, countRowTokens, loadTokenizer, type TokenCount } from './count-tokens.ts';
import type { Dialect } from './dialect.ts';
import { findPrice, toUsd } from './prices.ts';
import type { Method, OpenAIRequest } from './request.ts';

/**
 * Epochs where the service chooses them. Its rule is not published, and it takes more of them the fewer rows there are: what surely
 * holds are the bounds of the field itself.
 */
const chosenEpochs: TokenCount = { least: 1, most: 50 };

/** What a training costs: its tokens times its epochs; null where the price is not known. Validation rows are not charged for. */
export async function quote(dialect: Dialect, request: OpenAIRequest, context: QuoteContext): Promise<Quote | null> {
  const { model, method, rows } = request;
  const price = findPrice(dialect, { model, kind: method.type }, context);
  if (price === null) return null;
  const count = await loadTokenizer();
  const tokens = await sum(context, context.readRows('train'), (row) => countRowTokens(row, rows, count));
  const epochs = toEpochs(method);
  return {
    currency: 'USD',
    low: toUsd(tokens.least * epochs.least, price),
    high: toUsd(tokens.most * epochs.most, price),
    source: epochs === chosenEpochs ? `${price.source}; the service chooses from 1 to 50 epochs` : price.source,
    asOf: price.asOf,
    trainingTokens: tokens.most,
  };
}

function toEpochs(method: Method): TokenCount {
  const { n_epochs: epochs } = (method.type === 'dpo' ? method.dpo : method.supervised).hyperparameters;
  return typeof epochs === 'number' ? { least: epochs, most: epochs } : chosenEpochs;
}

/**
 * What answers cost: the tokens of the prompts, and answers from one token to the longest allowed; null where a price is not known, or
 * how long answers may become. A request that is sent again after a lost connection may be charged twice, which is not in it.
 */
export async function quotePredictions(
  dialect: Dialect,
  { model, rows }: { readonly model: ModelRef; readonly rows: readonly PredictionRow[] },
  context: PredictionContext,
): Promise<Quote | null> {
  const asked = checkAnswerable(dialect, { model, rows }, context);
  const { maxTokens } = context.generation;
  const input = findPrice(dialect, { model: asked.model.base, kind: 'input' }, context);
  const output = findPrice(dialect, { model: asked.model.base, kind: 'output' }, context);
  if (input === null || output === null || maxTokens === undefined) return null;
  const count = await loadTokenizer();
  const tokens = await sum(context, asked.rows, ({ messages, tools }) => countMessageTokens(messages, tools, count));
  return {
    currency: 'USD',
    low: toUsd(tokens.least, input) + toUsd(rows.length, output),
    high: toUsd(tokens.most, input) + toUsd(rows.length * maxTokens, output),
    source: [...new Set([input.source, output.source])].join('; '),
    asOf: [input.asOf, output.asOf].filter((day) => day !== null).sort()[0] ?? null,
  };
}

async function sum<Row>(
  context: QuoteContext | PredictionContext,
  rows: AsyncIterable<Row> | Iterable<Row>,
  count: (row: Row) => TokenCount,
): Promise<TokenCount> {
  let least = 0;
  let most = 0;
  for await (const row of rows) {
    context.signal.throwIfAborted();
    const tokens = count(row);
    least += tokens.least;
    most += tokens.most;
  }
  return { least, most };
}
