/** The program with three services: `memory`, whose jobs end at once, `closed` without a key, and `strict`, which refuses every job. */
import { runCli } from '../../src/cli/main.ts';
import { Failure, toFailureData } from '../../src/errors.ts';
import type { Provider } from '../../src/provider/provider.ts';
import { SubmitFailure } from '../../src/provider/submit-failure.ts';
import { createMemoryService } from '../run/memory-provider.ts';

const model = { kind: 'endpoint', identity: 'tuned', location: 'memory', name: 'tuned', base: 'm' } as const;

const ended = createMemoryService();
ended.status = { phase: 'succeeded', raw: 'done' };
const createMemoryObservation = ended.provider.training.observe;

function create(id: string, training: Partial<Provider['training']>): Provider {
  const { provider } = createMemoryService();
  return { ...provider, id, training: { ...provider.training, ...training } };
}

const providers = [
  create('memory', {
    observe: async (...args) => ({
      ...(await createMemoryObservation(...args)),
      artifacts: [{ kind: 'endpoint', uri: 'memory:m', sha256: null, model }],
    }),
  }),
  create('closed', {
    prepare: async () => await Promise.reject(new Failure('credentials-invalid', 'KEY: expected a key, found none', { hint: 'set KEY' })),
  }),
  create('strict', {
    translate: () => ({ request: {}, notes: [{ type: 'warning', message: 'the model has no date in its name' }] }),
    create: async () =>
      await Promise.reject(
        new SubmitFailure('refused', toFailureData(new Failure('request-refused', 'no such model', { hint: 'name a dated one' }))),
      ),
    find: async () => await Promise.resolve([]),
  }),
];

process.exitCode = await runCli(process.argv.slice(2), { providers });
