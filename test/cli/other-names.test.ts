import { expect, test } from 'vitest';
import { runCli } from './run-cli.ts';

test.each([
  ['train', 'submit'],
  ['jobs', 'status'],
  ['epochs', 'metrics'],
  ['up', 'deploy'],
])('"%s", as other programs call it, leads to %s', async (word, name) => {
  const advice = `this is called ${name} here: \`npx orchestrate ${name} --help\``;
  expect(await runCli(word, 'job.json')).toEqual({ status: 2, stdout: '', stderr: `error: unknown command '${word}'\n(${advice})\n` });
  const { error } = JSON.parse((await runCli(word, '--json')).stdout) as { error: unknown };
  expect(error).toMatchObject({ code: 'usage', hint: advice });
  expect((await runCli(name, '--help')).stdout).toContain(`Usage: orchestrate ${name} `);
});

test('a misspelt command and an option before the command are answered with what to type', async () => {
  expect((await runCli('statsu')).stderr).toContain('(Did you mean status?)');
  expect((await runCli('--cached', 'status')).stderr).toContain('(options follow the command, as in `npx orchestrate status --json`;');
});
