import type { SandboxContext } from '../service.ts';

/** Some of the Hub's machines: dollars an hour as published in August 2026, and GPUs with the memory of each in GB. */
const machines: Readonly<Record<string, readonly [usdPerHour: number, gpu?: string, quantity?: number, vramGb?: number]>> = {
  'cpu-basic': [0.01],
  'cpu-upgrade': [0.03],
  't4-small': [0.4, 'T4', 1, 16],
  't4-medium': [0.6, 'T4', 1, 16],
  l4x1: [0.8, 'L4', 1, 24],
  'a10g-small': [1, 'A10G', 1, 24],
  'a10g-large': [1.5, 'A10G', 1, 24],
  'a10g-largex2': [3, 'A10G', 2, 24],
  l40sx1: [1.8, 'L40S', 1, 48],
  'a100-large': [2.5, 'A100', 1, 80],
  a100x4: [10, 'A100', 4, 80],
  h200: [5, 'H200', 1, 141],
  h200x8: [40, 'H200', 8, 141],
  'rtx-pro-6000': [2.75, 'RTX PRO 6000', 1, 96],
};

/** What a minute of a machine costs, in millionths of a dollar; null where there is no such machine. */
export function findMinutePrice(name: string): number | null {
  const machine = Object.hasOwn(machines, name) ? machines[name] : undefined;
  return machine === undefined ? null : Math.round((machine[0] * 1e6) / 60);
}

/** The machines and what a minute of each costs. */
export function listHardware(context: SandboxContext): Response {
  const listed = Object.entries(machines).map(([name, [, model, quantity = 0, vramGb = 0]]) => {
    const micro = findMinutePrice(name) ?? 0;
    const gpu = { type: 'gpu', model, quantity: String(quantity), vram: `${quantity * vramGb} GB`, manufacturer: 'Nvidia' };
    const size = { cpu: '8 vCPU', ram: '30 GB', ephemeralStorage: '50 GB', accelerator: model === undefined ? null : gpu };
    return { name, prettyName: name, ...size, unitCostMicroUSD: micro, unitCostUSD: micro / 1e6, unitLabel: 'minute' };
  });
  return context.json(listed);
}
