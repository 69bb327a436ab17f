import { relative } from 'node:path';
import { Failure } from '../../errors.ts';
import { formatBytes } from '../../lib/text.ts';
import { escapeLine, formatJson } from '../escape.ts';
import type { Cli } from '../cli.ts';

interface Flags {
  readonly push?: string;
  readonly public?: boolean;
  readonly replace?: boolean;
  readonly format?: 'gguf';
  readonly out?: string;
}

/** `orchestrate export RUN --push hub:owner/name`, or `orchestrate export RUN|FOLDER --format gguf [--out FILE]`. */
export async function exportModel(cli: Cli, [source]: readonly string[], flags: Flags): Promise<number> {
  const { push, public: isPublic, replace, format, out } = flags;
  if ((push === undefined) === (format === undefined)) {
    const found = push === undefined ? 'nothing' : 'both';
    throw new Failure('usage', `expected where the model goes, --push hub:owner/name or --format gguf, found ${found}`);
  }
  if (push === undefined ? isPublic === true || replace === true : out !== undefined) {
    throw new Failure('usage', '--public and --replace belong to --push, --out belongs to --format');
  }
  await using orchestrator = await cli.open();
  if (push !== undefined) {
    const exported = await orchestrator.run(source!).export({ push, isPublic, replace });
    const { run, url, commit, isNew } = exported;
    if (cli.json) cli.terminal.print(formatJson(exported));
    else if (cli.quiet) cli.terminal.print(escapeLine(url));
    else cli.terminal.print(escapeLine(`${run}  ${isNew ? 'is now in' : 'is already in'} ${url}, commit ${commit.slice(0, 10)}`));
    return 0;
  }
  const written = await orchestrator.exportFile(source!, { format: format!, out });
  const { path, bytes, parameters, warnings } = written;
  const file = relative('.', path);
  if (cli.json) cli.terminal.print(formatJson(written));
  else if (cli.quiet) cli.terminal.print(escapeLine(file));
  else {
    cli.terminal.print(escapeLine(`written to ${file}: ${parameters.toLocaleString('en')} parameters in F16, ${formatBytes(bytes)}`));
    for (const warning of warnings) cli.terminal.print(escapeLine(`warning: ${warning}`));
  }
  return 0;
}
