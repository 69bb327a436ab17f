import { addAbortSignal } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Failure } from '../../failure.ts';
import { escapeLine } from '../escape.ts';
import type { Cli } from '../cli.ts';

/** `orchestrate predict RUN [TEXT…]`: label, probability and text, in the order of the texts. */
export async function predict(cli: Cli, args: readonly string[]): Promise<number> {
  const [address, ...given] = args;
  const texts =
    given.length > 0 ? given : (await text(addAbortSignal(cli.signal, process.stdin))).split('\n').filter((line) => line.trim() !== '');
  if (texts.length === 0) throw new Failure('usage', 'expected texts to answer, as arguments or on standard input, one a line; found none');
  await using orchestrator = await cli.open();
  const predictions = await orchestrator.run(address!).predict(texts.map((one) => ({ text: one })));
  for (const [i, { answer, probabilities, truncated }] of predictions.entries()) {
    if (cli.json) {
      cli.terminal.print(JSON.stringify({ text: texts[i], label: answer, probabilities, truncated }));
      continue;
    }
    const probability = answer === null ? '' : (probabilities?.[answer]?.toFixed(3) ?? '');
    cli.terminal.print(`${escapeLine(answer ?? '(no label)')}  ${probability}  ${escapeLine(texts[i]!)}`);
  }
  return 0;
}
