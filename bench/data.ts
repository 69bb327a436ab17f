/** The data check beside a bare pass over the same file, each in a process of its own. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { toStreamKey, toUint32 } from '../src/lib/random.ts';
import { interleave, type Sample } from './interleave.ts';
import { toRatio, toSpread, toTable } from './markdown.ts';

const megabytes = 100;

/** Words a row: what a check costs is a matter of rows as much as of bytes. */
const kinds = { 'short rows': 45, 'long rows': 600 };

export async function measureData(scratch: string): Promise<string> {
  const rows: string[][] = [];
  for (const [kind, words] of Object.entries(kinds)) {
    const path = join(scratch, 'rows.jsonl');
    const count = writeRows(path, words);
    const pass = (name: string) => (): Sample => {
      const printed = execFileSync(process.execPath, [join(import.meta.dirname, 'data-pass.ts'), name, path], { encoding: 'utf8' });
      return JSON.parse(printed) as Sample;
    };
    const passes = { bare: pass('bare'), inspect: pass('inspect'), near: pass('near') };
    const { bare, inspect, near } = await interleave(passes, { warmUps: 1, rounds: 5 });
    const toRow = (name: string, { ms, peak }: typeof bare): string[] => [
      `${count} ${kind}`,
      name,
      toSpread(ms!),
      toRatio(ms!, bare['ms']!),
      toSpread(peak!),
    ];
    rows.push(toRow('read and `JSON.parse`', bare), toRow('`inspectDataset`', inspect), toRow('the same with nearly equal rows', near));
  }
  const head = ['rows', 'pass', 'ms', 'ratio', 'peak memory, MB'];
  return `Check of ${megabytes} MB of classification rows in JSON Lines; bars: a ratio of 2, 200 MB.\n\n${toTable([head, ...rows])}`;
}

/** Rows of about so many words with two labels; how many they are. */
function writeRows(path: string, most: number): number {
  const file = openSync(path, 'w');
  const words = 'the food was good and we will come back but service took an hour so never again'.split(' ');
  let [row, written] = [0, 0];
  while (written < megabytes * 1e6) {
    let lines = '';
    for (const end = row + 100; row < end; row++) {
      const key = toStreamKey(1, 'row', row);
      const count = most / 2 + (toUint32(key, 0) % most);
      const text = Array.from({ length: count }, (_, i) => words[toUint32(key, i + 1) % words.length]).join(' ');
      lines += `${JSON.stringify({ id: row, text, label: key % 2 === 0 ? 'negative' : 'positive' })}\n`;
    }
    written += writeSync(file, lines);
  }
  closeSync(file);
  return row;
}
