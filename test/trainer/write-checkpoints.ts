/** node write-checkpoints.ts FOLDER BYTES: writes one checkpoint after the other, and prints the step of each that is on the disk. */
import { writeSync } from 'node:fs';
import { writeCheckpoint } from '../../src/trainer/checkpoint/checkpoint-folder.ts';
import { listCheckpoints } from '../../src/trainer/protocol.ts';
import { toNumberedContents } from './numbered-checkpoint.ts';

const [folder, bytes] = process.argv.slice(2);
for (let step = (listCheckpoints(folder!)[0] ?? 0) + 1; ; step++) {
  writeCheckpoint(folder!, step, toNumberedContents(step, Number(bytes)));
  writeSync(1, `${step}\n`);
}
