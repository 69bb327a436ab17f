import { inspect } from 'node:util';
import { expectThat, inWorld, toError, toLaw } from './checks.ts';
import type { Life } from './life.ts';
import type { Law, LawSubject, LawWorld } from './subject.ts';
import { terminalPhases, type TerminalPhase } from '../provider/status.ts';

/** That a credential stays where it is: what a provider returns, throws or writes is stored and shown. */
export function toSecretLaw<World extends LawWorld>(subject: LawSubject<World>, lives: (end: TerminalPhase) => Promise<Life>): Law {
  const { secrets, inputs, provider } = subject;
  return toLaw('no credential is in anything that is returned, thrown or written', secrets === undefined ? 'secrets' : null, async () => {
    expectNoSecret('translate', provider.translate(structuredClone(inputs.base)), secrets!);
    for (const end of terminalPhases.filter((phase) => subject.ends[phase] !== undefined)) {
      const { files, ...told } = await lives(end);
      for (const [what, value] of Object.entries(told)) expectNoSecret(`${what} of a job that is ${end}`, value, secrets!);
      for (const file of files) expectNoSecret(`the file ${file.split('\n', 1)[0]}`, file, secrets!);
    }
    for (const [label, call] of Object.entries(subject.failing ?? {})) {
      const error = await inWorld(subject, async (world) => await toError(label, async () => await call(world)));
      expectNoSecret(`the error of "${label}"`, error, secrets!);
    }
  });
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
