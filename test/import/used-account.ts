import { canaryKey, createSandboxFixture, type SandboxFixture } from '../providers/openai-compatible/fixture.ts';
import { startCountingProxy, type CountingProxy } from './counting-proxy.ts';
import { cancelJob, createJob, deleteFile, toChatText, toPreferenceText, uploadText, type Asking } from './service-jobs.ts';

export const jobKinds = ['labels', 'pairs', 'deleted', 'failed', 'cancelled', 'running'] as const;
export type JobKind = (typeof jobKinds)[number];

/** An account that has been used for long: 250 jobs of all kinds, behind a proxy that tells of each request. */
export interface UsedAccount extends AsyncDisposable {
  readonly fixture: SandboxFixture;
  readonly proxy: CountingProxy;
  readonly jobs: Readonly<Record<JobKind, readonly string[]>>;
}

export async function createUsedAccount(): Promise<UsedAccount> {
  const proxy = await startCountingProxy();
  const fixture = await createSandboxFixture({ pageSize: 40, environment: { OPENAI_BASE_URL: `${proxy.url}/v1` } });
  proxy.target = fixture.sandbox.url;
  const jobs = await createJobs({ sandbox: fixture.sandbox, apiKey: canaryKey, dialect: 'openai' });
  return {
    fixture,
    proxy,
    jobs,
    async [Symbol.asyncDispose]() {
      await fixture.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

async function createJobs(asking: Asking): Promise<UsedAccount['jobs']> {
  const { sandbox, apiKey } = asking;
  const createMany = async (count: number, body: object): Promise<string[]> => {
    const ids: string[] = [];
    for (let i = 0; i < count; i++) ids.push(await createJob(asking, { model: 'gpt-4.1-mini-2025-04-14', suffix: 'mine', ...body }));
    return ids;
  };
  const pass = (ms: number): void => {
    sandbox.step(ms);
    sandbox.account(apiKey); // what is due happens when somebody looks
  };
  const texts = { train: toChatText(20, (i) => ['yes', 'no'][i % 2]!), validation: toChatText(10, () => 'no'), gone: toChatText(10) };
  const training_file = await uploadText(asking, texts.train);
  const validation_file = await uploadText(asking, texts.validation);
  const gone = await uploadText(asking, texts.gone);
  const ended = {
    labels: await createMany(60, { training_file, validation_file }),
    pairs: await createMany(20, { training_file: await uploadText(asking, toPreferenceText(12)), method: { type: 'dpo' } }),
    deleted: await createMany(40, { training_file: gone }),
  };
  pass(10_000);
  await deleteFile(asking, gone);
  sandbox.setSettings({ jobError: { code: 'server_error', message: 'it broke' } }, apiKey);
  const failed = await createMany(40, { training_file });
  pass(10_000);
  sandbox.setSettings({ jobError: null, jobMs: 1_000_000 }, apiKey);
  const cancelled = await createMany(50, { training_file });
  pass(400_000);
  for (const id of cancelled) await cancelJob(asking, id);
  const running = await createMany(40, { training_file });
  pass(500_000);
  return { ...ended, failed, cancelled, running };
}
