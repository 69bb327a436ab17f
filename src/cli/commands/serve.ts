import { once } from 'node:events';
import { toFailureData } from '../../errors.ts';
import type { Cli } from '../cli.ts';
import { escapeLine, formatJson } from '../escape.ts';

interface ServeFlags {
  readonly port?: number;
  readonly host?: string;
  readonly alias?: readonly string[];
  readonly keyName?: string;
  readonly concurrency?: number;
  readonly queue?: number;
}

const usualPort = 8080;

/** Requests that are being answered when the server is stopped have so long to end. */
const graceMs = 5000;

/** `orchestrate serve RUN|FOLDER`: answers as OpenAI's API does until Ctrl-C, or until the process is asked to end. */
export async function serve(cli: Cli, [source]: readonly string[], flags: ServeFlags): Promise<number> {
  const { port = usualPort, host, alias, keyName, concurrency, queue } = flags;
  const { json, quiet, terminal } = cli;
  using ending = catchTermination(cli.signal);
  await using orchestrator = await cli.open();
  const server = await orchestrator.serve(source!, {
    port,
    host,
    aliases: alias,
    keyName,
    limits: { ...(concurrency === undefined ? {} : { concurrency }), ...(queue === undefined ? {} : { waiting: queue }) },
    onFailure: (error) => terminal.say(`a request has failed: ${toFailureData(error).message}`),
  });
  const { url, names, note } = server;
  if (json) terminal.print(formatJson({ url, models: names }));
  else if (quiet) terminal.print(escapeLine(url));
  else {
    terminal.print(escapeLine(`${url} answers as ${names.join(', ')}`));
    if (note !== null) terminal.say(note);
    terminal.say(`until Ctrl-C; ${keyName === undefined ? 'this machine alone may ask' : `whoever shows the key of ${keyName} may ask`}`);
  }
  try {
    if (!ending.signal.aborted) await once(ending.signal, 'abort');
  } finally {
    await server.close(graceMs);
  }
  return 0;
}

interface Ending extends Disposable {
  readonly signal: AbortSignal;
}

/** Ctrl-C, or SIGTERM, as service managers and containers end a server. */
function catchTermination(interrupt: AbortSignal): Ending {
  const ending = new AbortController();
  const onTerminate = (): void => ending.abort();
  process.on('SIGTERM', onTerminate);
  return {
    signal: AbortSignal.any([interrupt, ending.signal]),
    [Symbol.dispose]: () => void process.off('SIGTERM', onTerminate),
  };
}
