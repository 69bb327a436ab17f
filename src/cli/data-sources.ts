/** Data files that a command names: paths, `-` for standard input, and datasets of the Hub. */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Failure, toFileFailure } from '../errors.ts';
import type { Cli } from './cli.ts';

/** Paths of this machine. They stay until they are disposed of. */
export interface DataSources extends AsyncDisposable {
  /** The paths of some of the sources. */
  readonly find: (sources: readonly string[]) => readonly string[];
}

const standardInput = '-';

/**
 * Brings what is not in a file to a file: rows are read several times.
 * @throws Failure `usage` where standard input is named twice, and as `bringData`
 */
export async function openDataSources(cli: Cli, sources: readonly string[], input: Readable = process.stdin): Promise<DataSources> {
  if (sources.filter((source) => source === standardInput).length > 1) {
    throw new Failure('usage', 'expected "-", which is standard input, once, found it twice');
  }
  const paths = new Map<string, readonly string[]>();
  const folders: string[] = [];
  const remote = sources.filter((source) => source.startsWith('hub:'));
  if (remote.length > 0) {
    await using orchestrator = await cli.open({ mayCreateState: false });
    for (const source of remote) {
      const { paths: brought, warnings } = await orchestrator.bringData([source]);
      paths.set(source, brought);
      for (const warning of warnings) cli.terminal.say(`note: ${warning}`);
    }
  }
  if (sources.includes(standardInput)) {
    const folder = await mkdtemp(join(tmpdir(), 'orchestrate-stdin-'));
    folders.push(folder);
    paths.set(standardInput, [await keepInput(addAbortSignal(cli.signal, input), folder)]);
  }
  return {
    find: (some) => some.flatMap((source) => paths.get(source) ?? source),
    async [Symbol.asyncDispose]() {
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Writes standard input to a file whose name says what it holds, by its first bytes. */
async function keepInput(input: AsyncIterable<Buffer>, folder: string): Promise<string> {
  const part = join(folder, 'part');
  let head = Buffer.alloc(0);
  const watch = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      if (head.length < headBytes) head = Buffer.concat([head, chunk]);
      yield chunk;
    }
  };
  const [first, rest] = await takeFirst(input);
  const isPacked = first.length >= 2 && first.readUInt16BE(0) === 0x1f8b;
  const file = createWriteStream(part, { mode: 0o600 });
  const write = isPacked ? pipeline(rest, createGunzip(), watch, file) : pipeline(rest, watch, file);
  await write.catch((error: unknown) => {
    throw toFileFailure(error, 'copy of standard input', part);
  });
  const path = join(folder, `stdin.${findEnding(head)}`);
  await rename(part, path);
  return path;
}

const headBytes = 4096;

async function takeFirst(input: AsyncIterable<Buffer>): Promise<[first: Buffer, whole: AsyncGenerator<Buffer>]> {
  const chunks = input[Symbol.asyncIterator]();
  const { value, done } = await chunks.next();
  const whole = async function* (): AsyncGenerator<Buffer> {
    if (done === true) return;
    yield value;
    yield* { [Symbol.asyncIterator]: () => chunks };
  };
  return [done === true ? Buffer.alloc(0) : value, whole()];
}

/** JSON begins with a bracket, in any encoding that is read; all other text is a table. */
function findEnding(head: Buffer): string {
  if (head.subarray(0, 4).toString('latin1') === 'PAR1') return 'parquet';
  const text = head.toString('latin1').replaceAll(/[\0\s]|^\xef\xbb\xbf|^\xff\xfe|^\xfe\xff/g, '');
  if (text === '' || /^[{[]/.test(text)) return 'jsonl';
  return head
    .toString('latin1')
    .split(/[\r\n]/, 1)[0]!
    .includes('\t')
    ? 'tsv'
    : 'csv';
}
