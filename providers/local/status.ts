import type { Phase } from '../../src/provider/status.ts';
import type { TrainerEvent } from '../../src/trainer/protocol.ts';

/** The trainer's status words: derived from its events, `lost` from its lock. */
export const statusMap = {
  starting: 'queued',
  training: 'running',
  saved: 'finalizing',
  paused: 'paused',
  lost: 'interrupted',
  finished: 'succeeded',
  cancelled: 'cancelled',
  failed: 'failed',
} as const satisfies Record<string, Phase>;

export type LocalWord = keyof typeof statusMap;

/** What an event makes of a training, or null where it stays what it was. */
function toWord(event: TrainerEvent): LocalWord | null {
  switch (event.type) {
    case 'trainer-started':
      return 'starting';
    case 'data-read':
    case 'training-resumed':
    case 'step-finished':
    case 'epoch-evaluated':
      return 'training';
    case 'model-written':
      return event.folder === 'model' ? 'saved' : null;
    case 'training-paused':
      return 'paused';
    case 'training-finished':
      return 'finished';
    case 'training-cancelled':
      return 'cancelled';
    case 'training-failed':
      return 'failed';
    case 'checkpoint-written':
    case 'checkpoint-skipped':
      return null;
  }
}

/** What a training is after further events. */
export function toLastWord(events: readonly TrainerEvent[], before: LocalWord): LocalWord {
  return events.reduce((word, event) => toWord(event) ?? word, before);
}

/** Words that nothing follows. */
export function isEnd(word: LocalWord): boolean {
  return word === 'finished' || word === 'cancelled' || word === 'failed';
}
