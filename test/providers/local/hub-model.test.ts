import { expect, test } from 'vitest';
import { inspectModel } from '../../../providers/local/base-model.ts';
import { inspectHubModel } from '../../../providers/local/hub-model.ts';
import { createHubTrial, readTinyBert } from './hub-fixture.ts';

const name = { kind: 'hub', name: 'acme/tiny', revision: null } as const;

test('a look tells commit, licence, sizes and the bytes to download, without a token, and reads no weights', async () => {
  const { asked, toContext, cache, sandbox } = await createHubTrial();
  const { model, notes } = await inspectModel(name, toContext());
  expect(model).toMatchObject({
    base: 'acme/tiny',
    revision: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
    maxLength: 64,
    license: 'apache-2.0',
    endpoint: sandbox.url,
    downloadBytes: 1_953_427,
    config: { layers: 2, hiddenSize: 128 },
  });
  expect(model.folder!.startsWith(`${cache}/`)).toBe(true);
  expect(notes).toEqual([]);
  expect(asked.filter((path) => path.includes('/resolve/'))).toEqual([`/acme/tiny/resolve/${model.revision}/config.json`]);
});

test('a commit that was seen before needs no Hub; a branch is what it was, with a note, where the Hub does not answer', async () => {
  const { asked, toContext, sandbox } = await createHubTrial();
  const { model } = await inspectHubModel(name, toContext());
  asked.length = 0;
  expect(await inspectHubModel({ ...name, revision: model.commit }, toContext())).toEqual({ model, notes: [] });
  expect(asked).toEqual([]);
  await sandbox.close();
  const later = await inspectHubModel(name, toContext());
  expect(later.model).toEqual(model);
  expect(later.notes).toEqual([{ type: 'warning', message: expect.stringContaining(`at the commit ${model.commit}`) as string }]);
});

test('without a network, and with nothing known, it says how to get the model by hand', async () => {
  const { toContext, sandbox } = await createHubTrial();
  await sandbox.close();
  await expect(inspectHubModel(name, toContext())).rejects.toMatchObject({
    code: 'service-unreachable',
    hint: 'without a network, get it by hand: `hf download acme/tiny --local-dir ./models/tiny`, then "model": "./models/tiny"',
  });
});

test.each([
  ['a model that is not there', { ...name, name: 'acme/none' }, null, 'model-unavailable', 'everybody may see (HF_TOKEN is not set)'],
  ['the same with a token', { ...name, name: 'acme/none' }, 'hf_sandbox_a', 'model-unavailable', 'this HF_TOKEN may see'],
  ['a revision that is not there', { ...name, revision: 'v9' }, null, 'model-unavailable', 'hub:acme/tiny@v9'],
  ['a refused token', name, 'hf_of_another_hub', 'credentials-invalid', '401'],
])('%s is refused, and the message says how to get it by hand', async (_what, asked, token, code, message) => {
  const { toContext } = await createHubTrial();
  await expect(inspectHubModel(asked, toContext({ HF_TOKEN: token }))).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message) as string,
    hint: expect.stringContaining('hf download acme/') as string,
  });
});

test.each(['gpt2', '../..', 'a/../b', 'a b/c', './x'])('%s is no name of a model', async (wrong) => {
  const { toContext, asked } = await createHubTrial();
  await expect(inspectHubModel({ ...name, name: wrong }, toContext())).rejects.toMatchObject({ code: 'job-file-invalid' });
  expect(asked).toEqual([]);
});

function without(...paths: readonly string[]): Map<string, Uint8Array> {
  return new Map([...readTinyBert()].filter(([path]) => !paths.includes(path)));
}

test.each([
  ['pickled weights only', without('model.safetensors'), 'weights in model.safetensors (pickle files, .bin, are not read)'],
  ['no fast tokenizer', without('tokenizer.json'), 'a tokenizer.json'],
  ['no configuration', without('config.json'), 'a config.json'],
  ['another family', new Map([...without(), ['config.json', Buffer.from('{"model_type": "t5"}')]]), 'model_type: expected one of bert'],
])('a repository with %s is refused before anything is downloaded', async (_what, files, message) => {
  const { toContext, asked } = await createHubTrial({ 'acme/tiny': files });
  await expect(inspectHubModel(name, toContext())).rejects.toMatchObject({
    code: 'model-invalid',
    message: expect.stringContaining(message) as string,
  });
  expect(asked.some((path) => path.endsWith('.safetensors'))).toBe(false);
});

test('a model whose card names no licence says so', async () => {
  const { toContext } = await createHubTrial({ 'acme/tiny': without('README.md') });
  expect((await inspectHubModel(name, toContext())).model.license).toBeNull();
});
