import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFiles } from '@huggingface/hub';
import { expect, onTestFinished, test } from 'vitest';
import { huggingface } from '../../../providers/huggingface/index.ts';
import type { Published, PublishTarget } from '../../../src/provider/provider.ts';
import { startSandbox, type Sandbox } from '../../../src/sandbox/main.ts';
import { createScratchFolder } from '../../scratch.ts';
import { createContexts, createSteppedClock } from '../stepped-context.ts';
import { key } from './fixture.ts';

const repository = 'demo/tuned';

interface Fixture {
  readonly sandbox: Sandbox;
  readonly folder: string;
  publish(change?: Partial<PublishTarget>, token?: string | null): Promise<Published>;
  list(): Promise<string[]>;
}

/** A model folder, and the sandbox's Hub to put it into. */
async function open(): Promise<Fixture> {
  const clock = createSteppedClock((ms) => sandbox.step(ms));
  const sandbox: Sandbox = await startSandbox({ clock: 'stepped', now: () => new Date(clock.now()), seed: 7 });
  onTestFinished(sandbox.close);
  const { HF_ENDPOINT: hubUrl, HF_TOKEN: accessToken } = sandbox.env;
  const folder = join(createScratchFolder(), 'model');
  mkdirSync(join(folder, 'adapter'), { recursive: true });
  writeFileSync(join(folder, 'README.md'), '---\nlibrary_name: transformers\n---\n\n# tuned\n');
  writeFileSync(join(folder, 'config.json'), '{"model_type": "bert"}');
  writeFileSync(join(folder, 'model.safetensors'), 'weights'.repeat(1000));
  writeFileSync(join(folder, 'adapter/adapter_config.json'), '{}');
  return {
    sandbox,
    folder,
    async publish(change = {}, token = accessToken) {
      const { toAttempt, remove } = createContexts({ clock, values: { HF_ENDPOINT: hubUrl, HF_TOKEN: token } });
      onTestFinished(remove);
      const target = { repository, isPrivate: true, replaces: false, ...change };
      return await huggingface.account!.publish!(folder, target, toAttempt(key, 1, new AbortController().signal));
    },
    async list() {
      const found = listFiles({ hubUrl, accessToken, repo: repository, recursive: true });
      return (await Array.fromAsync(found)).flatMap(({ type, path }) => (type === 'file' ? path : [])).sort();
    },
  };
}

const whole = ['.gitattributes', 'README.md', 'adapter/adapter_config.json', 'config.json', 'model.safetensors'];

test('a new repository gets all files in one commit, and a second push changes nothing', async () => {
  const { publish, list, sandbox } = await open();
  const first = await publish();
  expect(first).toEqual({ url: `${sandbox.url}/${repository}`, commit: expect.stringMatching(/^[0-9a-f]{40}$/) as string, isNew: true });
  expect(await list()).toEqual(whole);
  expect(await publish()).toEqual({ ...first, isNew: false });
});

test('other files are not replaced in silence', async () => {
  const { folder, publish, list } = await open();
  writeFileSync(join(folder, 'vocab.txt'), 'a');
  const { commit } = await publish();
  writeFileSync(join(folder, 'config.json'), '{"model_type": "distilbert"}');
  await expect(publish()).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(
      'expected a new or empty repository, or one with this very model, found other files: README.md',
    ) as string,
    hint: expect.stringContaining('--replace') as string,
  });
  expect(await list()).toEqual([...whole, 'vocab.txt']);
  const replaced = await publish({ replaces: true });
  expect(replaced).toMatchObject({ isNew: true });
  expect(replaced.commit).not.toBe(commit);
  expect(await publish()).toEqual({ ...replaced, isNew: false });
});

test('what the new model does not have leaves the repository with it', async () => {
  const { folder, publish, list } = await open();
  await publish();
  rmSync(join(folder, 'adapter'), { recursive: true });
  await publish({ replaces: true });
  expect(await list()).toEqual(whole.filter((path) => !path.startsWith('adapter/')));
});

test.each(['repo-create', 'preupload', 'lfs-batch', 'commit'] as const)('a push that is cut off at %s can be repeated', async (kind) => {
  const { publish, list, sandbox } = await open();
  sandbox.setFaults({ [kind]: [{ type: 'cut' }] });
  await publish().catch(() => null);
  sandbox.setFaults({});
  await publish();
  expect(await list()).toEqual(whole);
});

test('without a token nothing is asked', async () => {
  const { publish } = await open();
  await expect(publish({}, null)).rejects.toMatchObject({ code: 'credentials-invalid' });
});
