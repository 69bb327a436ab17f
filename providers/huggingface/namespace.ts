import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import type { Hub } from './client.ts';
import { parseAnswer } from './jobs-api.ts';

export const WhoAmI = z.looseObject({
  name: z.string().min(1),
  canPay: z.boolean().nullish(),
  orgs: z.array(z.looseObject({ name: z.string() })).nullish(),
});

/** Who the token belongs to. */
export async function readAccount(hub: Hub): Promise<z.infer<typeof WhoAmI>> {
  const path = '/api/whoami-v2';
  return await hub.call(`GET ${path}`, async () => parseAnswer(WhoAmI, (await hub.request('GET', path)).json, `GET ${path}`));
}

/** Who pays and owns: what the target names, else HF_NAMESPACE, else the token's own account. */
export async function readNamespace(hub: Hub, asked: string | null, context: Context): Promise<string> {
  const named = asked ?? context.setting('HF_NAMESPACE');
  if (named === null || named === '') return (await readAccount(hub)).name;
  if (/^[A-Za-z0-9][\w.-]{0,95}$/.test(named)) return named;
  throw new Failure('configuration-invalid', 'HF_NAMESPACE: expected the name of a user or an organization, found something else');
}
