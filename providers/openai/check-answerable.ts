import type { Context } from '../../src/provider/context.ts';
import type { EndpointModel, ModelRef } from '../../src/provider/model.ts';
import type { PredictionRow, PromptRow } from '../../src/provider/prediction.ts';
import { toModelName } from '../../src/provider/model-name.ts';
import { Failure } from '../../src/errors.ts';
import { checkBaseUrl } from './check-base-url.ts';
import type { Dialect } from './dialect.ts';

/**
 * That this service, here, can answer these rows with this model.
 * @throws Failure `model-invalid`, `data-invalid`, `configuration-invalid`
 */
export function checkAnswerable(
  dialect: Dialect,
  { model, rows }: { readonly model: ModelRef; readonly rows: readonly PredictionRow[] },
  context: Context,
): { model: EndpointModel; rows: readonly PromptRow[] } {
  if (model.kind !== 'endpoint') {
    throw new Failure('model-invalid', `expected a model of ${dialect.name}, found ${toModelName(model)}`);
  }
  checkBaseUrl(dialect, { what: `the model ${model.name}`, baseUrl: model.location }, context);
  const texts = rows.filter((row) => !('messages' in row));
  if (texts.length === 0) return { model, rows: rows.filter((row) => 'messages' in row) };
  throw new Failure('data-invalid', `row ${texts[0]!.id}: expected messages for the model ${model.name}, found a text without them`);
}
