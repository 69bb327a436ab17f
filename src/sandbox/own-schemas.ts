import { hubSchemas } from './hub/hub-schemas.ts';
import { faultTypes, requestKinds } from './faults.ts';
import { refusals } from './settings.ts';

const nullable = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] });
const number = (minimum: number, maximum: number): object => nullable({ type: 'number', minimum, maximum });
const tokens = nullable({ type: 'integer', minimum: 1 });
const milliseconds = { type: 'integer', minimum: 0, maximum: 10 ** 12 };
const closed = { type: 'object', additionalProperties: false };

/** Bodies that the published document does not describe. What the sandbox could only ignore to a wrong effect is refused. */
const chatRequest = {
  ...closed,
  required: ['messages'],
  properties: {
    model: { type: 'string' },
    messages: { type: 'array', minItems: 1 },
    temperature: number(0, 2),
    top_p: number(0, 1),
    presence_penalty: number(-2, 2),
    frequency_penalty: number(-2, 2),
    seed: nullable({ type: 'integer' }),
    n: nullable({ const: 1 }),
    stream: nullable({ const: false }),
    logprobs: nullable({ type: 'boolean' }),
    top_logprobs: nullable({ type: 'integer', minimum: 0, maximum: 20 }),
    max_tokens: tokens,
    max_completion_tokens: tokens,
    metadata: nullable({ type: 'object' }),
    store: nullable({ type: 'boolean' }),
    tools: { type: 'array' },
    tool_choice: {},
    parallel_tool_calls: { type: 'boolean' },
    response_format: { type: 'object' },
    user: { type: 'string' },
  },
};

const deployRequest = {
  ...closed,
  required: ['sku', 'properties'],
  properties: {
    sku: {
      ...closed,
      required: ['name', 'capacity'],
      properties: {
        name: { type: 'string', pattern: '^(?:[sS]tandard|[gG]lobal[sS]tandard|[dD]eveloper[tT]ier)$' },
        capacity: { type: 'integer', minimum: 1 },
      },
    },
    properties: {
      ...closed,
      required: ['model'],
      properties: {
        model: {
          ...closed,
          required: ['format', 'name', 'version'],
          properties: { format: { enum: ['OpenAI', 'OpenAI-OSS'] }, name: { type: 'string' }, version: { type: 'string' } },
        },
      },
    },
  },
};

const fault = {
  anyOf: [
    {
      ...closed,
      required: ['type'],
      properties: { type: { enum: faultTypes.filter((type) => type !== 'late') }, retryAfterSeconds: { type: 'number', minimum: 0 } },
    },
    { ...closed, required: ['type', 'ms'], properties: { type: { const: 'late' }, ms: milliseconds } },
  ],
};

const settings = {
  ...closed,
  properties: {
    jobMs: milliseconds,
    looks: nullable({ type: 'integer', minimum: 1 }),
    listLagMs: milliseconds,
    refuse: { enum: [null, ...Object.keys(refusals)] },
    jobError: nullable({
      ...closed,
      required: ['code', 'message'],
      properties: { code: { type: 'string' }, message: { type: 'string' } },
    }),
    blockModel: { type: 'boolean' },
    hiddenFailure: { type: 'boolean' },
    otherJobs: { type: 'integer', minimum: 0, maximum: 1000 },
  },
};

export const ownSchemas = {
  ...hubSchemas,
  ChatRequest: chatRequest,
  DeployRequest: deployRequest,
  Faults: { ...closed, properties: Object.fromEntries(requestKinds.map((kind) => [kind, { type: 'array', items: fault }])) },
  Settings: settings,
  Step: { ...closed, required: ['ms'], properties: { ms: milliseconds } },
};

export type OwnSchemaName = keyof typeof ownSchemas;
