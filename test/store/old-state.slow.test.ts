import { expect, test } from 'vitest';
import { copyOldState, openOldState } from './old-state.ts';

test('a paused run of an earlier version goes on after its checkpoint, to its end', async () => {
  const orchestrator = await openOldState(copyOldState());
  await orchestrator.run('paused').resume();
  const [run] = await orchestrator.wait(['paused']);
  expect(run).toMatchObject({ ok: true, progress: { step: 300 }, failure: null });
  const steps = (await orchestrator.run('paused').metrics()).filter(({ name, split }) => name === 'loss' && split === 'train');
  expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  const [comparison] = await orchestrator.evaluate('paused');
  expect(comparison!.candidates.find(({ name }) => name === 'laptop')!.measures['accuracy']).toBe(1);
});

test('a run whose trainer was killed goes on after its checkpoint, to its end', async () => {
  const orchestrator = await openOldState(copyOldState());
  const [run] = await orchestrator.wait(['killed']);
  expect(run).toMatchObject({ ok: true, progress: { step: 300 }, failure: null });
});
