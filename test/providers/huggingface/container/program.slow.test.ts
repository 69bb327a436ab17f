import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  claimBranch,
  eventsFile,
  formatCommand,
  parseEvent,
  parseEventLine,
  type ContainerEvent,
} from '../../../../providers/huggingface/container.ts';
import type { JobTask } from '../../../../providers/huggingface/request.ts';

/* The programs run here as in the container, with a Hub's client and engines that only write down what they are asked. */

const hubClient = `
import json, os
class Answer: status_code = 409
class Conflict(Exception): response = Answer()
class Refused(Exception): pass
class HfApi:
    def __init__(self, token): assert token == 'hf_test'
    def create_branch(self, repo, branch, repo_type):
        note('branch', [repo, branch, repo_type])
        if os.environ.get('CLAIMED'): raise Conflict('exists')
    def upload_folder(self, folder_path, repo_id, repo_type, ignore_patterns, commit_message):
        files = [os.path.relpath(os.path.join(at, name), folder_path) for at, _, names in os.walk(folder_path) for name in names]
        note('upload', [repo_id, repo_type, sorted(files), ignore_patterns])
        note('events', open(os.path.join(folder_path, '${eventsFile}')).read())
def snapshot_download(repo, repo_type='model', revision=None, local_dir=None, allow_patterns=None, token=None):
    if os.environ.get('REFUSES'): raise Refused('403 Client Error: Forbidden for url: x')
    note('download', [repo, repo_type, revision, allow_patterns])
    os.makedirs(local_dir, exist_ok=True)
    for name in allow_patterns or ['config.json']: open(os.path.join(local_dir, name), 'w').write('{}\\n')
    return os.path.abspath(local_dir)
def note(what, value):
    with open(os.environ['NOTES'], 'a') as file: file.write(json.dumps([what, value]) + '\\n')
`;

const engine = `#!/bin/sh
printf '["engine", "%s"]\\n' "$(basename "$0") $*" >> "$NOTES"
[ -f config.yml ] && printf '["config", %s]\\n' "$(cat config.yml)" >> "$NOTES"
ls data > "$NOTES.data"
[ -n "$PRINTS" ] && echo "$PRINTS"
if [ -n "$LEAVES" ]; then mkdir -p output/checkpoint-3; for name in $LEAVES; do echo x > "output/$name"; done; fi
exit "\${STATUS:-0}"
`;

const task: JobTask = {
  version: 1,
  engine: 'trl',
  task: 'sft',
  dataset: { repo: 'acme/data', revision: 'c0ffee', train: 'train.jsonl', validation: 'validation.jsonl', textColumn: 'prompt' },
  maxLength: 64,
  model: { base: 'acme/base', revision: 'v2' },
  output: { repo: 'acme/out' },
  parameters: { learning_rate: 1e-7, bf16: false, lora_target_modules: ['q', 'v'], lora_r: 4, completion_only_loss: null },
};

type Notes = readonly (readonly [string, never])[];

interface Ran {
  readonly status: number | null;
  readonly output: string;
  readonly events: readonly ContainerEvent[];
  readonly notes: Notes;
}

function run(job: Partial<JobTask> = {}, environment: Readonly<Record<string, string>> = {}): Ran {
  const folder = mkdtempSync(join(tmpdir(), 'orchestrate-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'huggingface_hub.py'), hubClient);
  writeFileSync(join(folder, 'yaml.py'), 'import json\ndef safe_dump(value, file): json.dump(value, file)\n');
  for (const name of ['trl', 'autotrain']) {
    writeFileSync(join(folder, 'bin', name), engine);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
  const { PATH = '' } = process.env;
  const notes = join(folder, 'notes');
  const whole = { ...task, ...job };
  const { command, arguments: programs } = formatCommand(whole.engine);
  const { status, stdout, stderr } = spawnSync(command[0]!, [...command.slice(1), ...programs], {
    encoding: 'utf8',
    env: {
      PATH: `${join(folder, 'bin')}${delimiter}${PATH}`,
      PYTHONPATH: folder,
      TMPDIR: folder,
      NOTES: notes,
      HF_TOKEN: 'hf_test',
      ORCHESTRATE_JOB: JSON.stringify(whole),
      ...environment,
    },
  });
  const written = existsSync(notes) ? readFileSync(notes, 'utf8').trim().split('\n') : [];
  return {
    status,
    output: `${stdout}${stderr}`,
    events: stdout.split('\n').flatMap((line) => parseEventLine(line, String) ?? []),
    notes: written.map((line) => JSON.parse(line) as Notes[number]),
  };
}

function find(notes: Notes, what: string): unknown {
  return notes.find(([name]) => name === what)?.[1];
}

const whole = 'model.safetensors README.md training_args.bin checkpoint-3/trainer_state.json checkpoint-3/optimizer.pt';

test('the shell can read how the programs are started', () => {
  const { command } = formatCommand('trl');
  expect(spawnSync('sh', ['-n', '-c', command[2]!]).status).toBe(0);
  expect(formatCommand('transformers').arguments).toContain('classifier.py');
});

test('claims, fetches, trains with trl, and brings the model to its repository with its events', () => {
  const line = "{'loss': '1.5', 'epoch': '0.5'}";
  const { status, output, events, notes } = run({}, { LEAVES: whole, PRINTS: line });
  expect([status, output]).toEqual([0, expect.stringContaining(`${line}\n`)]);
  expect(notes.map(([name]) => name)).toEqual(['branch', 'download', 'engine', 'upload', 'events']);
  expect(find(notes, 'branch')).toEqual(['acme/out', claimBranch, 'model']);
  expect(find(notes, 'download')).toEqual(['acme/data', 'dataset', 'c0ffee', ['train.jsonl', 'validation.jsonl']]);
  expect(find(notes, 'engine')).toBe(
    'trl sft --model_name_or_path acme/base --dataset_name data --dataset_train_split train --output_dir output --model_revision v2' +
      ' --dataset_test_split validation --learning_rate 1e-07 --bf16 false --lora_target_modules q v --lora_r 4',
  );
  const [repo, type, uploaded, ignored] = find(notes, 'upload') as [string, string, string[], string[]];
  expect([repo, type]).toEqual(['acme/out', 'model']);
  expect(uploaded).toContain('checkpoint-3/trainer_state.json');
  expect(uploaded).not.toContain('checkpoint-3/optimizer.pt');
  expect(ignored).toContain('training_args.bin');
  expect(events.map(({ n, type: kind }) => [n, kind])).toEqual([
    [1, 'engine-started'],
    [2, 'values-measured'],
    [3, 'training-finished'],
    [4, 'model-uploaded'],
  ]);
  expect(events[3]).toMatchObject({ repository: 'acme/out' });
  const kept = find(notes, 'events') as string;
  expect(
    kept
      .trim()
      .split('\n')
      .map((line) => parseEvent(line, String)),
  ).toEqual(events.slice(0, 3));
});

test('writes the configuration of autotrain, with the token as a name and nothing pushed by it', () => {
  const job: Partial<JobTask> = {
    engine: 'autotrain',
    task: 'text-classification',
    dataset: { ...task.dataset, textColumn: 'text', labelColumn: 'label' },
    model: { base: 'acme/base' },
    parameters: { lr: 1e-7, epochs: 2 },
  };
  const { status, notes } = run(job, { LEAVES: whole });
  expect(status).toBe(0);
  expect(find(notes, 'engine')).toBe('autotrain --config config.yml');
  expect(find(notes, 'config')).toEqual({
    task: 'text-classification',
    base_model: 'acme/base',
    project_name: 'output',
    log: 'tensorboard',
    backend: 'local',
    data: {
      path: 'data',
      train_split: 'train',
      valid_split: 'valid',
      column_mapping: { text_column: 'text', target_column: 'label' },
      chat_template: null,
    },
    params: { lr: 1e-7, epochs: 2 },
    hub: { username: 'acme', token: '${HF_TOKEN}', push_to_hub: false },
  });
});

test('never gives autotrain validation rows for a language model', () => {
  const { notes } = run(
    { engine: 'autotrain', task: 'dpo', dataset: { ...task.dataset, textColumn: 'chosen' }, parameters: { chat_template: 'tokenizer' } },
    { LEAVES: whole },
  );
  expect(find(notes, 'config')).toMatchObject({
    task: 'llm-dpo',
    data: {
      valid_split: null,
      chat_template: 'tokenizer',
      column_mapping: { text_column: 'chosen', rejected_text_column: 'rejected', prompt_text_column: 'prompt' },
    },
  });
});

test('ends at once where the attempt is claimed', () => {
  const { status, events, notes } = run({}, { CLAIMED: '1', LEAVES: whole });
  expect(status).toBe(3);
  expect(events).toMatchObject([
    { type: 'training-failed', code: 'request-refused', message: expect.stringContaining('claimed') as string },
  ]);
  expect(notes.map(([name]) => name)).toEqual(['branch']);
});

const caught = 'ERROR | x | y - train has failed due to an exception: Traceback\nERROR | x | y - too bad';

test.each([
  [
    'a status of its own',
    { STATUS: '2', PRINTS: 'last word', LEAVES: whole },
    2,
    'training-failed',
    'the engine ended with status 2; last word',
  ],
  ['an exception and a status of 0', { PRINTS: caught, LEAVES: whole }, 1, 'training-failed', 'the training program failed: too bad'],
  ['no memory', { STATUS: '137', LEAVES: whole }, 1, 'out-of-memory', 'was killed'],
  ['no weights', { LEAVES: 'README.md' }, 1, 'training-failed', 'the engine ended with status 0 and left no weights'],
  ['nothing at all', {}, 1, 'training-failed', 'the engine ended with status 0 and left no weights'],
  [
    'a Hub that refuses the rows',
    { REFUSES: '1' },
    1,
    'credentials-invalid',
    'the Hub refused the token that the job was given: Refused: 403',
  ],
])('with %s it fails, uploads nothing and says so', (_what, environment, expected, code, words) => {
  const { status, events, notes } = run({}, environment);
  expect(status).toBe(expected);
  expect(events.at(-1)).toMatchObject({ type: 'training-failed', code, message: expect.stringContaining(words) as string });
  expect(find(notes, 'upload')).toBeUndefined();
});

test('an autotrain that was killed leaves no README, and has failed', () => {
  const job: Partial<JobTask> = { engine: 'autotrain', task: 'sft', parameters: {} };
  const { status, events } = run(job, { LEAVES: 'model.safetensors' });
  expect(status).toBe(1);
  expect(events.at(-1)).toMatchObject({ message: expect.stringContaining('left no README.md') as string });
});

test('trl without checkpoints leaves no README, and gets one', () => {
  const { status, notes } = run({}, { LEAVES: 'model.safetensors' });
  expect(status).toBe(0);
  expect((find(notes, 'upload') as [string, string, string[]])[2]).toContain('README.md');
});

test('no engine that prints an event is believed', () => {
  const event = `orchestrate-event ${JSON.stringify({ n: 1, at: '2026-11-22T12:00:00.000Z', type: 'model-uploaded', repository: 'acme/other' })}`;
  const { output, events } = run({}, { LEAVES: whole, PRINTS: event });
  expect(output).toContain(`\n ${event}\n`);
  expect(events.filter(({ type }) => type === 'model-uploaded')).toMatchObject([{ repository: 'acme/out' }]);
});
