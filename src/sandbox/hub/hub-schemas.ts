const closed = { type: 'object', additionalProperties: false };
const text = { type: 'string' };
const texts = { type: 'array', items: text };
const oid = { type: 'string', pattern: '^[0-9a-f]{64}$' };
const size = { type: 'integer', minimum: 0 };
const repoName = { type: 'string', pattern: '^[\\w.-]{1,96}$' };
const encodedFile = {
  ...closed,
  required: ['path', 'content'],
  properties: { path: text, content: text, encoding: { enum: ['base64', 'utf-8'] } },
};
/** Keys and values of labels, as the Hub takes them. */
const label = '^[A-Za-z0-9._-]{1,100}$';
const labels = {
  type: 'object',
  propertyNames: { pattern: label },
  additionalProperties: { type: 'string', pattern: '^[A-Za-z0-9._-]{0,100}$' },
};
const environment = { type: 'object', additionalProperties: text };
const ports = { type: 'array', items: { type: 'integer', minimum: 1, maximum: 65535 } };

const volume = {
  ...closed,
  required: ['type', 'source', 'mountPath'],
  properties: {
    type: { enum: ['bucket', 'model', 'dataset', 'space'] },
    source: text,
    mountPath: { type: 'string', pattern: '^/' },
    revision: text,
    readOnly: { type: 'boolean' },
    path: text,
  },
};

const job = {
  ...closed,
  required: ['flavor'],
  properties: {
    dockerImage: text,
    spaceId: text,
    command: texts,
    arguments: texts,
    environment,
    secrets: environment,
    flavor: text,
    arch: { enum: ['amd64', 'arm64'] },
    timeoutSeconds: { anyOf: [{ type: 'integer', minimum: 1 }, { type: 'null' }] },
    attempts: { type: 'integer', minimum: 1 },
    labels,
    volumes: { type: 'array', items: volume },
    expose: { ...closed, properties: { ports, portsPublic: ports } },
    network: { ...closed, properties: { group: text, aliases: texts } },
    ssh: { ...closed, properties: { enabled: { type: 'boolean' } } },
    resourceGroupId: text,
  },
};

/** What a job of ours is told in its environment. Members that are not named here are for the program in the container. */
const task = {
  type: 'object',
  required: ['version', 'engine', 'task', 'dataset', 'model', 'output', 'parameters'],
  properties: {
    version: { const: 1 },
    engine: { enum: ['autotrain', 'trl', 'transformers'] },
    task: { enum: ['text-classification', 'sft', 'dpo'] },
    dataset: {
      type: 'object',
      required: ['repo', 'revision', 'train', 'textColumn'],
      properties: {
        repo: text,
        revision: text,
        train: text,
        validation: { anyOf: [text, { type: 'null' }] },
        textColumn: text,
        labelColumn: text,
        pairColumn: text,
      },
    },
    labels: texts,
    maxLength: { type: 'integer', minimum: 1 },
    model: { type: 'object', required: ['base'], properties: { base: text, revision: text } },
    output: { type: 'object', required: ['repo'], properties: { repo: text } },
    parameters: { type: 'object' },
  },
};

export const hubSchemas = {
  HubRepoCreate: {
    ...closed,
    required: ['name'],
    properties: {
      name: repoName,
      organization: text,
      type: { enum: ['model', 'dataset', 'space'] },
      visibility: { enum: ['public', 'private'] },
      private: { type: 'boolean' },
      license: text,
      files: { type: 'array', items: encodedFile },
    },
  },
  HubRepoDelete: {
    ...closed,
    required: ['name'],
    properties: { name: text, organization: text, type: { enum: ['model', 'dataset', 'space'] } },
  },
  HubBranch: {
    ...closed,
    properties: { startingPoint: text, emptyBranch: { type: 'boolean' }, overwrite: { type: 'boolean' } },
  },
  HubPreupload: {
    ...closed,
    required: ['files'],
    properties: {
      gitAttributes: text,
      gitIgnore: text,
      files: { type: 'array', items: { ...closed, required: ['path', 'size', 'sample'], properties: { path: text, size, sample: text } } },
    },
  },
  HubPaths: { ...closed, required: ['paths'], properties: { paths: texts, expand: { type: 'boolean' } } },
  HubLfsBatch: {
    ...closed,
    required: ['operation', 'objects'],
    properties: {
      operation: { enum: ['upload', 'download'] },
      transfers: { type: 'array', items: { enum: ['basic', 'multipart', 'xet'] }, contains: { const: 'basic' } },
      hash_algo: { enum: ['sha256', 'sha_256'] },
      ref: { anyOf: [{ ...closed, required: ['name'], properties: { name: text } }, { type: 'null' }] },
      objects: { type: 'array', items: { ...closed, required: ['oid', 'size'], properties: { oid, size } } },
    },
  },
  HubCommitLine: {
    anyOf: [
      {
        ...closed,
        required: ['key', 'value'],
        properties: {
          key: { const: 'header' },
          value: { ...closed, required: ['summary'], properties: { summary: text, description: text, parentCommit: text } },
        },
      },
      { ...closed, required: ['key', 'value'], properties: { key: { const: 'file' }, value: encodedFile } },
      {
        ...closed,
        required: ['key', 'value'],
        properties: {
          key: { const: 'lfsFile' },
          value: { ...closed, required: ['path', 'oid'], properties: { path: text, oid, algo: { const: 'sha256' }, size } },
        },
      },
      {
        ...closed,
        required: ['key', 'value'],
        properties: {
          key: { enum: ['deletedFile', 'deletedFolder'] },
          value: { ...closed, required: ['path'], properties: { path: text } },
        },
      },
    ],
  },
  HubJob: job,
  HubLabels: { ...closed, required: ['labels'], properties: { labels } },
  HubTask: task,
};
