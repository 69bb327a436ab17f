import { readFileSync } from 'node:fs';

/** A process seen from outside. */
export interface SeenProcess {
  readonly args: string;
  /** Most memory that it has had so far, MB. */
  readonly peak: number;
}

/**
 * Looks at a process and its descendants every 20 ms until `stop`, which gives them by their number. Linux only: the system itself
 * keeps the most that each one has had (`VmHWM`), so that only its growth after the last look is missed.
 */
export function watchMemory(root: number): { stop(): ReadonlyMap<number, SeenProcess> } {
  const seen = new Map<number, SeenProcess>();
  const look = (): void => {
    for (const id of [root, ...seen.keys(), ...[root, ...seen.keys()].flatMap(toChildren)]) {
      const peak = Number(/^VmHWM:\s+(\d+)/m.exec(readText(`/proc/${id}/status`))?.[1] ?? 0) / 1024;
      if (peak > 0) seen.set(id, { args: readText(`/proc/${id}/cmdline`).split('\0').join(' '), peak });
    }
  };
  const timer = setInterval(look, 20);
  return {
    stop() {
      clearInterval(timer);
      return seen;
    },
  };
}

function toChildren(id: number): number[] {
  return readText(`/proc/${id}/task/${id}/children`).trim().split(' ').filter(Boolean).map(Number);
}

/** Empty where the process is gone. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
