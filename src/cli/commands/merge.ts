import { relative, resolve } from 'node:path';
import type { ModelName } from '../../job/run-spec.ts';
import { Failure } from '../../errors.ts';
import type { Cli } from '../cli.ts';
import { escapeLine, formatJson } from '../escape.ts';

interface MergeFlags {
  readonly out?: string;
  readonly base?: string;
  readonly labels?: readonly string[];
}

/** `orchestrate merge RUN|FOLDER --out FOLDER`: one model that transformers opens, from an adapter and its base model, or of a run. */
export async function merge(cli: Cli, [source]: readonly string[], { out, base, labels }: MergeFlags): Promise<number> {
  if (out === undefined) throw new Failure('usage', 'expected --out with the folder to write, such as --out ./merged, found none');
  await using orchestrator = await cli.open();
  const merged = await orchestrator.merge(source!, { out, base: base === undefined ? null : parseBase(base), labels: labels ?? null });
  const folder = relative('.', merged.folder) || '.';
  if (cli.json) cli.terminal.print(formatJson(merged));
  else if (cli.quiet) cli.terminal.print(escapeLine(folder));
  else {
    const changed = merged.maps === 0 ? 'the run has merged its adapter already: copied' : `${merged.maps} linear maps changed`;
    cli.terminal.print(escapeLine(`written to ${folder}: ${changed}; the classes are ${merged.labels.join(', ')}`));
  }
  return 0;
}

/** As a job file names a model, but that a folder needs no "./". */
function parseBase(text: string): ModelName {
  if (!text.startsWith('hub:')) return { kind: 'folder', path: resolve(text) };
  const [name, revision] = text.slice('hub:'.length).split('@', 2);
  return { kind: 'hub', name: name!, revision: revision ?? null };
}
