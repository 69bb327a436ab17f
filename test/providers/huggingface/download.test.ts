import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RepositoryModel } from '../../../src/provider/model.ts';
import { createHubWorld, type HubWorld, type WorldOptions } from './fixture.ts';

async function createModel(options: WorldOptions = {}): Promise<HubWorld & { model: RepositoryModel; target: string }> {
  const world = await createHubWorld(options);
  const repo = world.hub.repos.get('models/acme/base')!;
  repo.files.set('config.json', Buffer.from('{"id2label": {"10": "c", "0": "a", "1": "b"}}'));
  repo.files.set('model.safetensors', Buffer.from('weights'.repeat(1000)));
  repo.files.set('checkpoint-3/trainer_state.json', Buffer.from('{}'));
  repo.files.set('training_args.bin', Buffer.from('pickle'));
  repo.lfs.add('model.safetensors');
  const model = world.provider.toModel!(`hub:acme/base@${repo.sha}`, world.toAttempt()) as RepositoryModel;
  return Object.assign(world, { model, target: join(world.folder, 'model') });
}

describe('download', () => {
  test('brings the files of the model, whole, from another address without the token', async () => {
    await using world = await createModel();
    const found = await world.provider.download!(world.model, world.target, world.toAttempt());
    expect(found).toEqual({
      kind: 'folder',
      identity: world.model.identity,
      path: world.target,
      labels: ['a', 'b', 'c'],
      seed: 0,
      maxLength: 512,
    });
    expect(readdirSync(world.target).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(readFileSync(join(world.target, 'model.safetensors'), 'utf8')).toBe('weights'.repeat(1000));
    expect(world.hub.leaks).toEqual([]);
  });

  test.each(['model.safetensors', 'config.json'])(
    '%s with other bytes than listed is no model, and leaves nothing under its name',
    async (name) => {
      await using world = await createModel();
      world.hub.settings.spoil = name;
      const call = world.provider.download!(world.model, world.target, world.toAttempt());
      await expect(call).rejects.toMatchObject({ code: 'response-invalid' });
      expect(readdirSync(world.target)).not.toContain(name);
      expect(readdirSync(world.target).filter((file) => file.endsWith('.partial'))).toEqual([]);
    },
  );

  test('keeps what is there, and asks for the rest', async () => {
    await using world = await createModel();
    mkdirSync(world.target);
    writeFileSync(join(world.target, 'config.json'), '{}');
    const found = await world.provider.download!({ ...world.model, labels: ['x', 'y'] }, world.target, world.toAttempt());
    expect(found.labels).toEqual(['x', 'y']);
    expect(readFileSync(join(world.target, 'config.json'), 'utf8')).toBe('{}');
    expect(world.hub.requests.some(({ path }) => path.endsWith('/config.json'))).toBe(false);
  });

  test('a repository without weights, and one of another Hub, are refused', async () => {
    await using world = await createModel();
    const c = world.toAttempt();
    await expect(world.provider.download!({ ...world.model, repository: 'acme/none' }, world.target, c)).rejects.toMatchObject({
      code: 'model-invalid',
    });
    await expect(world.provider.download!({ ...world.model, place: 'https://huggingface.co' }, world.target, c)).rejects.toMatchObject({
      code: 'configuration-invalid',
    });
  });

  test('a model is named by its commit', async () => {
    await using world = await createModel();
    expect(() => world.provider.toModel!('hub:acme/base', world.toAttempt())).toThrow('at a commit');
  });
});
