import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RepositoryModel } from '../../../src/provider/model.ts';
import { createHubFixture, type HubFixture, type FixtureOptions } from './fixture.ts';

async function createModel(options: FixtureOptions = {}): Promise<HubFixture & { model: RepositoryModel; target: string }> {
  const fixture = await createHubFixture(options);
  const repo = fixture.hub.repos.get('models/acme/base')!;
  repo.files.set('config.json', Buffer.from('{"id2label": {"10": "c", "0": "a", "1": "b"}}'));
  repo.files.set('model.safetensors', Buffer.from('weights'.repeat(1000)));
  repo.files.set('checkpoint-3/trainer_state.json', Buffer.from('{}'));
  repo.files.set('training_args.bin', Buffer.from('pickle'));
  repo.lfs.add('model.safetensors');
  const model = fixture.provider.inference!.getModel!(`hub:acme/base@${repo.sha}`, fixture.toAttempt()) as RepositoryModel;
  return Object.assign(fixture, { model, target: join(fixture.folder, 'model') });
}

describe('download', () => {
  test('brings the files of the model, whole, from another address without the token', async () => {
    await using fixture = await createModel();
    const found = await fixture.provider.inference!.download!(fixture.model, fixture.target, fixture.toAttempt());
    expect(found).toEqual({
      kind: 'folder',
      identity: fixture.model.identity,
      path: fixture.target,
      labels: ['a', 'b', 'c'],
      seed: 0,
      maxLength: 512,
    });
    expect(readdirSync(fixture.target).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(readFileSync(join(fixture.target, 'model.safetensors'), 'utf8')).toBe('weights'.repeat(1000));
    expect(fixture.hub.leaks).toEqual([]);
  });

  test.each(['model.safetensors', 'config.json'])(
    '%s with other bytes than listed is no model, and leaves nothing under its name',
    async (name) => {
      await using fixture = await createModel();
      fixture.hub.settings.spoil = name;
      const call = fixture.provider.inference!.download!(fixture.model, fixture.target, fixture.toAttempt());
      await expect(call).rejects.toMatchObject({ code: 'response-invalid' });
      expect(readdirSync(fixture.target)).not.toContain(name);
      expect(readdirSync(fixture.target).filter((file) => file.endsWith('.partial'))).toEqual([]);
    },
  );

  test('keeps what is there, and asks for the rest', async () => {
    await using fixture = await createModel();
    mkdirSync(fixture.target);
    writeFileSync(join(fixture.target, 'config.json'), '{}');
    const found = await fixture.provider.inference!.download!(
      { ...fixture.model, labels: ['x', 'y'] },
      fixture.target,
      fixture.toAttempt(),
    );
    expect(found.labels).toEqual(['x', 'y']);
    expect(readFileSync(join(fixture.target, 'config.json'), 'utf8')).toBe('{}');
    expect(fixture.hub.requests.some(({ path }) => path.endsWith('/config.json'))).toBe(false);
  });

  test('a repository without weights, and one of another Hub, are refused', async () => {
    await using fixture = await createModel();
    const context = fixture.toAttempt();
    await expect(
      fixture.provider.inference!.download!({ ...fixture.model, repository: 'acme/none' }, fixture.target, context),
    ).rejects.toMatchObject({
      code: 'model-invalid',
    });
    await expect(
      fixture.provider.inference!.download!({ ...fixture.model, location: 'https://huggingface.co' }, fixture.target, context),
    ).rejects.toMatchObject({
      code: 'configuration-invalid',
    });
  });

  test('a model is named by its commit', async () => {
    await using fixture = await createModel();
    expect(() => fixture.provider.inference!.getModel!('hub:acme/base', fixture.toAttempt())).toThrow('at a commit');
  });
});
