import type { Dialect } from './dialect.ts';

interface Schema {
  enum?: string[];
  type?: string | string[];
  properties?: Record<string, Schema>;
}

/** The published document as far as it is edited here. */
export interface ApiDocument {
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** What the services are known to do beside the published document. */
export function allowDeviations(document: ApiDocument, dialect: Dialect['id']): ApiDocument {
  const copy = structuredClone(document);
  const job = findProperties(copy, 'FineTuningJob');
  // The document's own example of a paused job says `paused`.
  allowWords(job['status'], 'paused');
  // A safety check after the training has its own type of event.
  allowWords(findProperties(copy, 'FineTuningJobEvent')['type'], 'moderation_checks');
  if (dialect === 'azure') {
    allowWords(job['status'], 'pending');
    allowWords(findProperties(copy, 'OpenAIFile')['status'], 'pending');
    job['hyperparameters']!.type = ['object', 'null'];
    findProperties(copy, 'CreateFineTuningJobRequestReq')['trainingType'] = { enum: ['standard', 'globalStandard', 'developerTier'] };
  }
  return copy;
}

function findProperties(document: ApiDocument, name: string): Record<string, Schema> {
  const found = document.components.schemas[name]?.properties;
  if (found === undefined) throw new Error(`the published document has no schema ${name} with properties`);
  return found;
}

function allowWords(schema: Schema | undefined, ...words: string[]): void {
  if (schema?.enum === undefined) throw new Error('the published document has no list of words where one is extended');
  schema.enum.push(...words);
}
