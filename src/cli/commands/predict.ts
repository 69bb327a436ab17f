import { addAbortSignal } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { TextAnswer } from '../../evaluate/evaluate.ts';
import { Failure } from '../../errors.ts';
import { escapeLine, formatJson } from '../escape.ts';
import type { Cli } from '../cli.ts';

/** `orchestrate predict RUN [TEXT…]`: what the model says, its probability and the text, in the order of the texts. */
export async function predict(cli: Cli, args: readonly string[], { maxUsd }: { readonly maxUsd?: number }): Promise<number> {
  const [address, ...given] = args;
  const texts =
    given.length > 0 ? given : (await text(addAbortSignal(cli.signal, process.stdin))).split('\n').filter((line) => line.trim() !== '');
  if (texts.length === 0) throw new Failure('usage', 'expected texts to answer, as arguments or on standard input, one a line; found none');
  await using orchestrator = await cli.open();
  const rows = texts.map((one) => ({ text: one }));
  const predictions = await orchestrator.run(address!).predict(rows, { maxUsd });
  for (const [i, prediction] of predictions.entries()) {
    const { answer, label, probabilities, truncated } = prediction;
    if (cli.json) cli.terminal.print(formatJson({ text: texts[i], label: label ?? null, answer, probabilities, truncated }));
    else cli.terminal.print(`${formatAnswer(prediction)}  ${formatProbability(prediction)}  ${escapeLine(texts[i]!)}`);
  }
  return 0;
}

/** The label; where there is none, what the model said instead. */
function formatAnswer({ answer, label }: TextAnswer): string {
  const said = escapeLine(answer ?? '(no answer)');
  if (label === undefined) return said;
  if (label !== null) return escapeLine(label);
  return answer === null ? '(no label)' : `(no label) ${said}`;
}

function formatProbability({ label, probabilities }: TextAnswer): string {
  return label == null ? '' : (probabilities?.[label]?.toFixed(3) ?? '');
}
