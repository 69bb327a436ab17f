import { isDeepStrictEqual } from 'node:util';
import type { ChatMessage, PreferenceRow } from './row.ts';

type Messages = readonly ChatMessage[];

/** The two ends of a conversation, with or without the prompt before each. */
type Ends = Pick<PreferenceRow, 'chosen' | 'rejected'>;

/**
 * The prompt once, and what comes after it. Where `prompt` is null it is what both ends begin with; it is empty where that is
 * nothing. A text that stands beside ends which begin with it is the last question of such a prompt, as in UltraFeedback.
 */
export function splitPrompt(prompt: string | Messages | null, { chosen, rejected }: Ends): Pick<PreferenceRow, 'prompt'> & Ends {
  const count = countRepeated(prompt, { chosen, rejected });
  const given = typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : (prompt ?? []);
  return { prompt: count > 0 ? chosen.slice(0, count) : given, chosen: chosen.slice(count), rejected: rejected.slice(count) };
}

/** How many messages of both ends are the prompt's. */
function countRepeated(prompt: string | Messages | null, { chosen, rejected }: Ends): number {
  if (prompt !== null && typeof prompt !== 'string') {
    const { length } = prompt;
    return [chosen, rejected].every((end) => end.length > length && isDeepStrictEqual(end.slice(0, length), prompt)) ? length : 0;
  }
  const count = countCommon(chosen, rejected);
  const isAsked = prompt === null || chosen.slice(0, count).some(({ role, content }) => role === 'user' && content === prompt);
  return isAsked ? count : 0;
}

/** The longest common beginning after which the assistant speaks in both. */
function countCommon(chosen: Messages, rejected: Messages): number {
  let count = 0;
  const most = Math.min(chosen.length, rejected.length) - 1;
  while (count < most && isDeepStrictEqual(chosen[count], rejected[count])) count++;
  while (count > 0 && (chosen[count]!.role !== 'assistant' || rejected[count]!.role !== 'assistant')) count--;
  return count;
}
