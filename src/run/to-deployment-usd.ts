import type { Deployment } from './fold.ts';

export const hourMs = 3_600_000;

/** What so many hours cost. Services charge by the hour: one that has begun is paid for whole. */
export function toHoursUsd(usdPerHour: number, ms: number): number {
  return Math.max(1, Math.ceil(ms / hourMs)) * usdPerHour;
}

/** What a deployment has cost so far, in dollars. */
export function toDeploymentUsd({ since, usdPerHour }: Pick<Deployment, 'since' | 'usdPerHour'>, now: Date): number {
  return toHoursUsd(usdPerHour, now.getTime() - Date.parse(since));
}
