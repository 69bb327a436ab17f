import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { ServiceJob } from '../../src/provider/service.ts';
import type { Dialect } from './dialect.ts';
import { readEnds } from './list-models.ts';
import { readPages } from './read-pages.ts';
import { toServiceJob } from './to-service-job.ts';
import { parseAnswer } from './upload.ts';

const ListedJob = z.looseObject({ id: z.string(), status: z.string(), model: z.string() });

const path = '/fine_tuning/jobs';

/** Every job of the account, newest first, whoever made it. */
export async function* listJobs(dialect: Dialect, context: Context): AsyncGenerator<ServiceJob> {
  const getDeprecation = await readEnds(dialect, context);
  for await (const item of readPages(dialect, path, context)) {
    yield toServiceJob(dialect, parseAnswer(ListedJob, item, `GET ${path}`), { context, getDeprecation });
  }
}
