import { toAnswer, type Answer } from '../answer.ts';

interface Flavor {
  readonly name: string;
  readonly prettyName: string;
  readonly cpu: string;
  readonly ram: string;
  readonly usdPerHour: number;
  /** Model, how many of them, memory of all of them in GB. */
  readonly gpu?: readonly [model: string, quantity: number, vramGb: number];
}

/** Prices as published in August 2026. What a machine has beside its accelerator is of no meaning here, and rough. */
const flavors: readonly Flavor[] = [
  { name: 'cpu-basic', prettyName: 'CPU Basic', cpu: '2 vCPU', ram: '16 GB', usdPerHour: 0.01 },
  { name: 'cpu-upgrade', prettyName: 'CPU Upgrade', cpu: '8 vCPU', ram: '32 GB', usdPerHour: 0.03 },
  { name: 'cpu-xl', prettyName: 'CPU XL', cpu: '16 vCPU', ram: '124 GB', usdPerHour: 1 },
  { name: 'cpu-performance', prettyName: 'CPU Performance', cpu: '32 vCPU', ram: '256 GB', usdPerHour: 1.9 },
  { name: 't4-small', prettyName: 'Nvidia T4 - small', cpu: '4 vCPU', ram: '15 GB', usdPerHour: 0.4, gpu: ['T4', 1, 16] },
  { name: 't4-medium', prettyName: 'Nvidia T4 - medium', cpu: '8 vCPU', ram: '30 GB', usdPerHour: 0.6, gpu: ['T4', 1, 16] },
  { name: 'l4x1', prettyName: '1x Nvidia L4', cpu: '8 vCPU', ram: '30 GB', usdPerHour: 0.8, gpu: ['L4', 1, 24] },
  { name: 'l4x4', prettyName: '4x Nvidia L4', cpu: '48 vCPU', ram: '186 GB', usdPerHour: 3.8, gpu: ['L4', 4, 96] },
  { name: 'a10g-small', prettyName: 'Nvidia A10G - small', cpu: '4 vCPU', ram: '15 GB', usdPerHour: 1, gpu: ['A10G', 1, 24] },
  { name: 'a10g-large', prettyName: 'Nvidia A10G - large', cpu: '12 vCPU', ram: '46 GB', usdPerHour: 1.5, gpu: ['A10G', 1, 24] },
  { name: 'a10g-largex2', prettyName: '2x Nvidia A10G - large', cpu: '24 vCPU', ram: '92 GB', usdPerHour: 3, gpu: ['A10G', 2, 48] },
  { name: 'a10g-largex4', prettyName: '4x Nvidia A10G - large', cpu: '48 vCPU', ram: '184 GB', usdPerHour: 5, gpu: ['A10G', 4, 96] },
  { name: 'l40sx1', prettyName: '1x Nvidia L40S', cpu: '8 vCPU', ram: '62 GB', usdPerHour: 1.8, gpu: ['L40S', 1, 48] },
  { name: 'l40sx4', prettyName: '4x Nvidia L40S', cpu: '48 vCPU', ram: '382 GB', usdPerHour: 8.3, gpu: ['L40S', 4, 192] },
  { name: 'l40sx8', prettyName: '8x Nvidia L40S', cpu: '192 vCPU', ram: '1534 GB', usdPerHour: 23.5, gpu: ['L40S', 8, 384] },
  { name: 'a100-large', prettyName: 'Nvidia A100 - large', cpu: '12 vCPU', ram: '142 GB', usdPerHour: 2.5, gpu: ['A100', 1, 80] },
  { name: 'a100x4', prettyName: '4x Nvidia A100', cpu: '48 vCPU', ram: '568 GB', usdPerHour: 10, gpu: ['A100', 4, 320] },
  { name: 'a100x8', prettyName: '8x Nvidia A100', cpu: '96 vCPU', ram: '1136 GB', usdPerHour: 20, gpu: ['A100', 8, 640] },
  { name: 'h200', prettyName: 'Nvidia H200', cpu: '23 vCPU', ram: '256 GB', usdPerHour: 5, gpu: ['H200', 1, 141] },
  { name: 'h200x2', prettyName: '2x Nvidia H200', cpu: '46 vCPU', ram: '512 GB', usdPerHour: 10, gpu: ['H200', 2, 282] },
  { name: 'h200x4', prettyName: '4x Nvidia H200', cpu: '92 vCPU', ram: '1024 GB', usdPerHour: 20, gpu: ['H200', 4, 564] },
  { name: 'h200x8', prettyName: '8x Nvidia H200', cpu: '184 vCPU', ram: '2048 GB', usdPerHour: 40, gpu: ['H200', 8, 1128] },
  ...[1, 2, 4, 8].map((quantity): Flavor => {
    const [suffix, many] = quantity === 1 ? ['', ''] : [`x${quantity}`, `${quantity}x `];
    const prettyName = `${many}Nvidia RTX PRO 6000`;
    const size = { cpu: `${22 * quantity} vCPU`, ram: `${220 * quantity} GB` };
    return {
      name: `rtx-pro-6000${suffix}`,
      prettyName,
      ...size,
      usdPerHour: 2.75 * quantity,
      gpu: ['RTX PRO 6000', quantity, 96 * quantity],
    };
  }),
];

/** What a minute of a machine costs, in millionths of a dollar; null where there is no such machine. */
export function findMinutePrice(name: string): number | null {
  const flavor = flavors.find((one) => one.name === name);
  return flavor === undefined ? null : toMicroUsd(flavor);
}

function toMicroUsd({ usdPerHour }: Flavor): number {
  return Math.round((usdPerHour * 1e6) / 60);
}

/** The machines and what a minute of each costs. */
export function listHardware(): Answer {
  return toAnswer(
    flavors.map((flavor) => {
      const { name, prettyName, cpu, ram, gpu } = flavor;
      const micro = toMicroUsd(flavor);
      return {
        name,
        prettyName,
        cpu,
        ram,
        ephemeralStorage: '50 GB',
        accelerator:
          gpu === undefined ? null : { type: 'gpu', model: gpu[0], quantity: String(gpu[1]), vram: `${gpu[2]} GB`, manufacturer: 'Nvidia' },
        unitCostMicroUSD: micro,
        unitCostUSD: micro / 1e6,
        unitLabel: 'minute',
      };
    }),
  );
}
