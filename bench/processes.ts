import { readFileSync } from 'node:fs';

/** A process seen from outside. */
export interface SeenProcess {
  readonly args: string;
  /** Most memory that it has had so far, MB. */
  readonly peak: number;
  /** Processor time so far, seconds. */
  readonly processor: number;
}

interface Watch {
  /** The processes by their number, and the most memory that all of them had at one time, MB. */
  stop(): { readonly processes: ReadonlyMap<number, SeenProcess>; readonly peak: number };
}

/** Ticks of /proc a second: the same on every Linux. */
const ticks = 100;

/**
 * Looks at a process and its descendants every 20 ms until `stop`. Linux only: the system itself keeps the most memory that each one has had
 * (`VmHWM`) and its processor time, so that only what happens after the last look is missed.
 */
export function watchProcesses(root: number): Watch {
  const seen = new Map<number, SeenProcess>();
  let peak = 0;
  const look = (): void => {
    let together = 0;
    for (const id of new Set([root, ...seen.keys(), ...[root, ...seen.keys()].flatMap(toChildren)])) {
      const status = readText(`/proc/${id}/status`);
      const toMegabytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024;
      const most = toMegabytes('VmHWM');
      together += toMegabytes('VmRSS');
      // Behind the name, which may hold anything: state, twelve other fields, then user and system time.
      const fields = readText(`/proc/${id}/stat`).split(') ').at(-1)!.split(' ');
      const processor = (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticks;
      if (most > 0) seen.set(id, { args: readText(`/proc/${id}/cmdline`).split('\0').join(' '), peak: most, processor });
    }
    peak = Math.max(peak, together);
  };
  const timer = setInterval(look, 20);
  return {
    stop() {
      clearInterval(timer);
      return { processes: seen, peak };
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
