import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import { Failure } from '../../src/errors.ts';
import { callService } from './call-service.ts';
import type { Dialect } from './dialect.ts';
import { parseAnswer } from './upload.ts';

const WireItem = z.looseObject({ id: z.string().min(1) });
const Page = z.looseObject({ data: z.array(WireItem), has_more: z.boolean().nullish() });

/** An item of a list as the service wrote it. */
export type WireItem = Readonly<z.infer<typeof WireItem>>;

const pageSize = 100;

/**
 * The items of a list of the service, each once, in its order (newest first), as the pages come. It ends with the last page, or with one
 * that brings nothing new: a service that ignores `after` says for ever that there is more.
 * @throws Failure of a call, `response-invalid` for an answer that is no page, and `request-refused` where there is no such list
 */
export async function* readPages(dialect: Dialect, path: string, context: Context): AsyncGenerator<WireItem> {
  const call = `GET ${path}`;
  const seen = new Set<string>();
  for (let after: string | null = null; ;) {
    const query = { limit: pageSize, ...(after === null ? {} : { after }) };
    const page: z.infer<typeof Page> = await callService({ dialect, call }, context, async (client) =>
      // Not the client's own lists: they take any answer without "data", such as a page of a proxy, for an empty list.
      parseAnswer(Page, await askForPage(async () => await client.get<unknown>(path, { query }), call), call),
    );
    const fresh = page.data.filter(({ id }) => !seen.has(id));
    for (const item of fresh) {
      seen.add(item.id);
      yield item;
    }
    if (page.has_more !== true || fresh.length === 0) return;
    after = page.data.at(-1)!.id;
  }
}

const WireJob = z.looseObject({ object: z.literal('fine_tuning.job') });

/** Gateways lack routes, or answer that of a job's events with the job. */
async function askForPage(ask: () => Promise<unknown>, call: string): Promise<unknown> {
  const none = new Failure('request-refused', `${call}: the service has no such list`);
  const answer = await ask().catch((error: unknown) => {
    const isMissing = error instanceof Error && 'status' in error && [404, 405, 501].includes(Number(error.status));
    throw isMissing ? none : error;
  });
  if (WireJob.safeParse(answer).success) throw none;
  return answer;
}
