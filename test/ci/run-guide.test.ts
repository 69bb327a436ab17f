import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { matches, parseGuide, runCommands } from '../../.ci/run-guide.ts';
import { runProgram } from '../cli/run-cli.ts';
import { createScratchFolder } from '../scratch.ts';

/** Runs one console block in a folder. What is wrong with each command. */
async function run(block: string, limitMs = 20_000, scratch = createScratchFolder()): Promise<readonly (string | null)[]> {
  const results = await runCommands(parseGuide(`# Guide\n\n\`\`\`console\n${block}\n\`\`\`\n`), {
    cwd: scratch,
    env: process.env,
    scratch,
    limitMs,
  });
  return results.map(({ problem }) => problem);
}

test('commands of console blocks are found with their lines, their status and their output; other blocks are not', () => {
  const document = [
    '```sh',
    '$ rm -r /',
    '```',
    '```console',
    '$ cat <<EOF # exit 2',
    '> {',
    '>',
    '> }',
    '> EOF',
    'one',
    '',
    '$ true',
    '```',
  ];
  expect(parseGuide(`${document.join('\n')}\n`)).toEqual([
    { line: 5, text: 'cat <<EOF # exit 2\n{\n\n}\nEOF', status: 2, output: ['one', ''] },
    { line: 12, text: 'true', status: 0, output: null },
  ]);
});

test('a console block that begins with output is a mistake', () => {
  expect(() => parseGuide('```console\nnpx orchestrate\n```\n')).toThrow('line 2: expected a console block to begin with a command');
});

test('… stands for any text within a line, or for any number of lines', () => {
  expect(matches(['took … s (of 1.0)', '…', 'end'], ['took 12 s (of 1.0)', 'a', 'b', 'end'])).toBe(true);
  expect(matches(['…', 'end'], ['end'])).toBe(true);
  expect(matches(['took … s'], ['took 12 s', 'end'])).toBe(false);
  expect(matches(['took … s (of 1.0)'], ['took 12 s (of 1x0)'])).toBe(false);
  expect(matches(['a', '…', 'end'], ['a', 'b'])).toBe(false);
});

test('commands share one shell: variables, folders and files of the earlier ones are there', async () => {
  expect(await run("$ x='a b'; mkdir f; cd f\n$ echo \"$x\" >g; false # exit 1\n$ cat g; pwd\na b\n…/f\n$ cat\n$ printf ''")).toEqual([
    null,
    null,
    null,
    null,
    null,
  ]);
});

test('another output fails, with both shown, and what the command said', async () => {
  expect(await run('$ echo found; echo why >&2\nexpected\n$ echo next\nnext')).toEqual([
    'expected (-) and found (+):\n- expected\n+ found\nstderr: why',
    null,
  ]);
});

test('a further line fails, and so does a missing one', async () => {
  expect(await run('$ printf "a\\nb\\n"\na\n$ echo a\na\nb')).toEqual([expect.stringContaining('+ b'), expect.stringContaining('- b')]);
});

test('another status fails, also 0 where another one is expected', async () => {
  expect(await run('$ (exit 3)\n$ true # exit 3\n$ if # exit 0')).toEqual([
    'expected status 0, found 3',
    'expected status 3, found 0',
    expect.stringMatching(/^expected status 0, found \d+\nstderr: .*syntax error/),
  ]);
});

test('a command that hangs is ended with what it started; the ones after it fail too', async () => {
  const folder = createScratchFolder();
  expect(await run('$ true\n$ sleep 1000 & echo $! >pid; wait\n$ true', 2000, folder)).toEqual([
    null,
    'took more than 2 s',
    'not run, since the shell had ended',
  ]);
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
  await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
});

test('a command that ends the shell fails', async () => {
  expect(await run('$ exit 0\n$ true')).toEqual(['expected status 0, found NaN', 'not run, since the shell had ended']);
});

test('the program runs a document in a tree of its own with a sandbox, and says how many commands passed', async () => {
  const path = join(createScratchFolder(), 'guide.md');
  const good =
    '```console\n$ npx orchestrate status --json\n{"runs":[]}\n$ npx node -p process.env.OPENAI_BASE_URL\nhttp://127.0.0.1:…/v1\n```\n';
  writeFileSync(path, `${good}\n\`\`\`console\n$ echo a > new-file\n$ ls new-file README.md\nREADME.md\nold-file\n\`\`\`\n`);
  const { status, stdout } = await runProgram(resolve('.ci/run-guide.ts'), ['--here', path]);
  expect(stdout.replace(/in \d+ s$/m, 'in … s')).toBe(
    `${path}: 4 commands in … s\n${path}:10: $ ls new-file README.md\n    expected (-) and found (+):\n    - README.md\n    - old-file\n    + README.md\n    + new-file\n\n3 passed, 1 failed\n`,
  );
  expect(status).toBe(1);
  expect(existsSync('new-file')).toBe(false);
});
