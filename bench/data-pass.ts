/** `node data-pass.ts bare|inspect|near FILE`: reads a file once and prints `{"ms", "peak"}`: milliseconds and megabytes. */
import { createReadStream, readFileSync } from 'node:fs';
import { inspectDataset } from '../src/dataset/inspect.ts';

/** The least that any check must do: read, split at line feeds, parse. */
async function passBare(path: string): Promise<void> {
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    const bytes = Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      JSON.parse(bytes.toString('utf8', start, end));
      start = end + 1;
    }
    rest = bytes.subarray(start);
  }
}

const [name, path] = process.argv.slice(2);
if (!['bare', 'inspect', 'near'].includes(name ?? '') || path === undefined) throw new Error('usage: data-pass.ts bare|inspect|near FILE');
const begun = performance.now();
if (name === 'bare') await passBare(path);
else
  await inspectDataset({
    task: 'classification',
    train: [path],
    validation: { fraction: 0.1 },
    test: {},
    columns: { text: 'text', label: 'label' },
    looksForNear: name === 'near',
  });
const ms = performance.now() - begun;
// Not `maxRSS`: that one begins with what the parent had.
const peak = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;
process.stdout.write(JSON.stringify({ ms, peak }));
