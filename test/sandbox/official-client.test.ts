/** What `huggingface_hub` 2.4.0, the official client in Python, sends that other clients do not. */
import { expect, test } from 'vitest';
import { startSandbox } from '../../src/sandbox/main.ts';

async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }> {
  const sandbox = await startSandbox();
  try {
    const { HF_ENDPOINT, HF_TOKEN } = sandbox.env;
    const headers = { authorization: `Bearer ${HF_TOKEN}`, 'content-type': 'application/json' };
    const send = async (verb: string, to: string, what?: unknown): Promise<Response> =>
      await fetch(`${HF_ENDPOINT}${to}`, { method: verb, headers, ...(what === undefined ? {} : { body: JSON.stringify(what) }) });
    await send('POST', '/api/repos/create', { name: 'there' });
    const answer = await send(method, path, body);
    return { status: answer.status, json: await answer.json() };
  } finally {
    await sandbox.close();
  }
}

test.each([
  [{ name: 'm2', organization: null }, 'demo/m2'],
  [{ name: 'm2', organization: 'rehearsal' }, 'rehearsal/m2'],
])('a repository of %j', async (body, name) => {
  expect(await ask('POST', '/api/repos/create', { ...body, type: 'model' })).toMatchObject({ status: 200, json: { name } });
});

test.each([
  ['---\nlicense: mit\n---\n# hi\n', 200, { errors: [], warnings: [] }],
  ['# hi\n', 200, { errors: [], warnings: [{ message: 'empty or missing yaml metadata in repo card' }] }],
  ['---\nlicense: [mit\n---\n', 400, { errors: [{ message: expect.stringContaining('YAML Metadata Error') as string }] }],
  ['---\n- a list\n---\n', 400, { errors: [{ message: 'The metadata must be an object.' }] }],
])('the metadata of the card %j', async (content, status, json) => {
  expect(await ask('POST', '/api/validate-yaml', { content, repoType: 'model' })).toMatchObject({ status, json });
});

test('Xet is switched off by the settings of the sandbox, and refused with what to do', async () => {
  const sandbox = await startSandbox();
  expect(sandbox.env.HF_HUB_DISABLE_XET).toBe('1');
  await sandbox.close();
  expect(await ask('GET', '/api/models/demo/there/xet-write-token/main')).toMatchObject({
    status: 404,
    json: { error: expect.stringContaining('HF_HUB_DISABLE_XET=1') as string },
  });
});
