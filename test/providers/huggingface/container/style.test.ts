import { globSync, readFileSync } from 'node:fs';
import { PositionEncoding, Workspace } from '@astral-sh/ruff-wasm-nodejs';
import { expect, test } from 'vitest';

/* Ruff's defaults, but for the length of lines; see ruff.toml beside the programs, for editors. */
const isort = { 'known-first-party': ['engine_log', 'events', 'failures'] };
const options = { 'line-length': 120, 'target-version': 'py310', lint: { isort } };
const folders = ['providers/huggingface/container', 'test/providers/huggingface/container', 'test/python'];

test.each(folders.flatMap((folder) => globSync(`${folder}/*.py`)))('%s is formatted, and ruff finds no fault in it', (path) => {
  const ruff = new Workspace(options, PositionEncoding.Utf16);
  const text = readFileSync(path, 'utf8');
  expect(ruff.format(text)).toBe(text);
  const faults = ruff.check(text) as { code: string; message: string; start_location: object }[];
  expect(faults.map(({ code, message, start_location: start }) => ({ code, message, start }))).toEqual([]);
});
