import { Failure } from '../../errors.ts';

const name = 'ORCHESTRATE_REQUEST_SECONDS';

/** How long a request may take, where the user says it; for `createFetch`. @throws Failure `configuration-invalid` */
export function toRequestDeadline(c: { setting(name: string): string | null }): { deadlineMs?: number } {
  const text = c.setting(name);
  if (text === null) return {};
  const seconds = Number(text);
  if (seconds > 0 && Number.isFinite(seconds)) return { deadlineMs: seconds * 1000 };
  throw new Failure('configuration-invalid', `${name}: expected a number of seconds above 0, found "${text}"`);
}
