import { z } from 'zod';
import { toIsoTime } from './json.ts';

/** What a service said about a job. */
export interface TimedEvent {
  readonly at: string;
  /** Lower case. */
  readonly type: string;
  readonly level: string | null;
  readonly message: string;
  /** How many steps the job has, where the event says it. */
  readonly steps: number | null;
}

/** Whatever is missing or of another kind is left out; an event without a time cannot be placed. */
const Event = z.looseObject({
  created_at: z.unknown().optional(),
  level: z.string().nullish().catch(null),
  message: z.string().catch(''),
  type: z.string().catch(''),
  total_steps: z.number().nullish().catch(null),
});
/** A list of events under `data`, as OpenAI and those after it answer. */
export const EventList = z.looseObject({ data: z.array(Event) });

/** All events, oldest first; those of one time stay as they come. */
export function toTimedEvents({ data }: z.infer<typeof EventList>): TimedEvent[] {
  return data
    .map(({ created_at: time, level, message, type, total_steps: steps }) => {
      return { at: toIsoTime(time) ?? '', type: type.toLowerCase(), level: level ?? null, message, steps: steps ?? null };
    })
    .filter(({ at }) => at !== '')
    .sort((a, b) => a.at.localeCompare(b.at));
}

/** The event as a line of the log. */
export function toEventLog({ at, level, message }: TimedEvent): { readonly at: string; readonly text: string } {
  return { at, text: level === null || /info/.test(level) ? message : `${level}: ${message}` };
}
