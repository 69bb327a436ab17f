import { Failure } from '../../errors.ts';
import { escapeLine, formatJson } from '../escape.ts';
import type { Cli } from '../cli.ts';

interface Flags {
  readonly push?: string;
  readonly public?: boolean;
  readonly replace?: boolean;
}

/** `orchestrate export RUN --push hub:owner/name`: puts a model of this machine, with its card, into a repository of the Hub. */
export async function exportModel(cli: Cli, args: readonly string[], flags: Flags): Promise<number> {
  const { push, public: isPublic, replace } = flags;
  if (push === undefined) throw new Failure('usage', '--push expects where the model goes, such as hub:owner/name, found nothing');
  await using orchestrator = await cli.open();
  const exported = await orchestrator.run(args[0]!).export({ push, isPublic, replace });
  const { run, url, commit, isNew } = exported;
  if (cli.json) cli.terminal.print(formatJson(exported));
  else if (cli.quiet) cli.terminal.print(escapeLine(url));
  else cli.terminal.print(escapeLine(`${run}  ${isNew ? 'is now in' : 'is already in'} ${url}, commit ${commit.slice(0, 10)}`));
  return 0;
}
