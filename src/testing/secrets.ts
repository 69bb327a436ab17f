import { inspect } from 'node:util';
import { expectThat, inEnvironment, toError, createTest } from './checks.ts';
import type { Life } from './life.ts';
import type { ConformanceTest, ConformanceTarget, ConformanceEnvironment } from './subject.ts';
import { terminalPhases, type TerminalPhase } from '../provider/status.ts';

/** That a credential stays where it is: what a provider returns, throws or writes is stored and shown. */
export function createSecretTest<World extends ConformanceEnvironment>(
  subject: ConformanceTarget<World>,
  lives: (end: TerminalPhase) => Promise<Life>,
): ConformanceTest {
  const { secrets, inputs, provider } = subject;
  return createTest(
    'no credential is in anything that is returned, thrown or written',
    secrets === undefined ? 'secrets' : null,
    async () => {
      expectNoSecret('translate', provider.training.translate(structuredClone(inputs.base)), secrets!);
      for (const end of terminalPhases.filter((phase) => subject.ends[phase] !== undefined)) {
        const { files, ...told } = await lives(end);
        for (const [what, value] of Object.entries(told)) expectNoSecret(`${what} of a job that is ${end}`, value, secrets!);
        for (const file of files) expectNoSecret(`the file ${file.split('\n', 1)[0]}`, file, secrets!);
      }
      for (const [label, call] of Object.entries(subject.failing ?? {})) {
        const error = await inEnvironment(subject, async (environment) => await toError(label, async () => await call(environment)));
        expectNoSecret(`the error of "${label}"`, error, secrets!);
      }
    },
  );
}

/** As it is, as a query of an address has it, and in base64, as basic authentication has it. */
function toForms(secret: string): string[] {
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, '')];
}

function expectNoSecret(what: string, value: unknown, secrets: readonly string[]): void {
  // Shows what JSON leaves out: causes of errors, headers, private fields of requests.
  const text = typeof value === 'string' ? value : inspect(value, { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity });
  const isHeld = secrets.some((secret) => toForms(secret).some((form) => text.includes(form)));
  expectThat(!isHeld, what, 'no credential', 'one'); // not shown: the message is printed
}
