import type { ModelRef } from './model.ts';

/** How a message calls a model. */
export function toModelName(model: ModelRef): string {
  switch (model.kind) {
    case 'folder':
      return `the folder ${model.path}`;
    case 'endpoint':
      return `the model ${model.name} of a service`;
    case 'repository':
      return `the repository ${model.repository}`;
  }
}
