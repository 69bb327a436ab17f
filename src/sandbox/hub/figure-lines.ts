import type { Figures, JobTask } from './train-model.ts';

/** Figures as an engine prints them: AutoTrain twice, full and rounded, the others once, as quoted text of four digits. */
export function toFigureLines(engine: JobTask['engine'], figures: readonly Figures[], atMs: number): string[] {
  return figures.flatMap(({ step, steps, values }) => {
    const bar = toProgressBar(step, steps);
    const all = Object.entries(values);
    if (engine !== 'autotrain') return [`${bar}\r${toDict(all.map(([name, value]) => [name, `'${toShort(value)}'`]))}`];
    const time = new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
    const full = toDict(all.map(([name, value]) => [name, toPython(value)]));
    const rounded = toDict(all.map(([name, value]) => [name, toPython(name === 'epoch' ? Number(value.toFixed(2)) : value)]));
    return [`${bar}INFO     | ${time} | autotrain.trainers.common:on_log:367 - ${full}`, rounded];
  });
}

function toDict(entries: readonly (readonly [string, string])[]): string {
  return `{${entries.map(([name, value]) => `'${name}': ${value}`).join(', ')}}`;
}

function toShort(value: number): string {
  return toPython(Number(value.toPrecision(4))).replace(/\.0$/, '');
}

/** A float as Python writes it: whole ones keep their point, small ones have an exponent of two digits. */
function toPython(value: number): string {
  if (Number.isInteger(value)) return `${value}.0`;
  const text = Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

function toProgressBar(step: number, steps: number): string {
  const share = Math.min(1, step / steps);
  const bar = '█'.repeat(Math.floor(share * 10)).padEnd(10);
  return `\r${String(Math.floor(share * 100)).padStart(3)}%|${bar}| ${step}/${steps} [00:0${Math.min(9, Math.floor(share * 9))}<00:01, 10.00it/s]`;
}
