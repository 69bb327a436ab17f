import { parse } from 'yaml';
import { z } from 'zod';
import { isObject } from '../../lib/json.ts';
import type { SandboxContext } from '../service.ts';
import { readHubBody, refuseHub } from './http.ts';

const Card = z.looseObject({ content: z.string(), repoType: z.string().optional() });

const front = /^---\r?\n(.*?)(?:\r?\n)?---(?:\r?\n|$)/s;

/** The metadata before the text of a README.md; null where there is none that can be read. */
export function parseCard(content: string): Readonly<Record<string, unknown>> | null {
  try {
    const metadata: unknown = parse(front.exec(content)?.[1] ?? '');
    return isObject(metadata) ? metadata : null;
  } catch {
    return null;
  }
}

/** Looks at the metadata before the text of a README.md, as official clients ask before they upload one. */
export async function validateCard(context: SandboxContext): Promise<Response> {
  const { content } = await readHubBody(context, Card);
  const yaml = front.exec(content)?.[1] ?? null;
  if (yaml === null) return context.json({ errors: [], warnings: [{ message: 'empty or missing yaml metadata in repo card' }] });
  try {
    const metadata: unknown = parse(yaml);
    if (metadata === null || isObject(metadata)) return context.json({ errors: [], warnings: [] });
    return context.json({ errors: [{ message: 'The metadata must be an object.' }], warnings: [] }, 400);
  } catch (error) {
    return context.json({ errors: [{ message: `YAML Metadata Error: ${(error as Error).message}` }], warnings: [] }, 400);
  }
}

/** There is no Xet storage here. Clients that ask for it without looking are told the official switch that makes them upload otherwise. */
export function refuseXet(): never {
  return refuseHub(404, 'The sandbox has no Xet storage: set HF_HUB_DISABLE_XET=1, as `orchestrate sandbox` says');
}
