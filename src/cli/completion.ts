import { readdirSync } from 'node:fs';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

/** What the script for bash takes from the package bash-completion, for a bash without it. */
const bashWords = `type _get_comp_words_by_ref >/dev/null 2>&1 || _get_comp_words_by_ref() {
  cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
}
`;

/** Options whose value is a path. */
const paths = ['data', 'job', 'out', 'dir', 'env-file', 'base-model'];

/**
 * Adds `completion`, which prints the script of a shell, and `complete`, which that script calls: commands, options, the names of runs,
 * and files.
 */
export async function addCompletion(program: Command, argv: readonly string[], listRuns: () => Promise<string[]>): Promise<void> {
  const root = tab(program, { completionCommandName: 'completion' });
  if (argv[0] === 'completion' && argv[1] === 'bash') process.stdout.write(bashWords);
  if (argv[0] !== 'complete') return;
  const files = listFiles(argv.at(-1) ?? '');
  const runs = await listRuns().catch(() => []);
  for (const command of root.commands.values()) {
    for (const argument of command.arguments.values()) {
      const values = /^(?:run|runs|job|model)$/.test(argument.name) ? [...runs, ...files] : files;
      argument.handler ??= (complete) => {
        for (const value of values) complete(value, '');
      };
    }
    for (const [name, option] of command.options) {
      if (!paths.includes(name)) continue;
      option.handler = (complete) => {
        for (const value of files) complete(value, '');
      };
    }
  }
}

/** The files and folders that a path begins; hidden ones once their dot is typed. */
function listFiles(word: string): string[] {
  const folder = word.slice(0, word.lastIndexOf('/') + 1);
  const begin = word.slice(folder.length);
  try {
    return readdirSync(folder || '.', { withFileTypes: true })
      .filter(({ name }) => name.startsWith(begin) && (begin !== '' || !name.startsWith('.')))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`);
  } catch {
    return [];
  }
}
