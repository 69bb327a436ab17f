import { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { ServiceFile } from '../../src/provider/service.ts';
import type { Dialect } from './dialect.ts';
import { readPages } from './read-pages.ts';
import { toIsoTime } from './to-iso-time.ts';
import { parseAnswer } from './upload.ts';

const WireFile = z.looseObject({
  id: z.string(),
  filename: z.string().nullish().catch(null),
  purpose: z.string().nullish().catch(null),
  bytes: z.number().int().nonnegative().nullish().catch(null),
  created_at: z.unknown().optional(),
  expires_at: z.unknown().optional(),
});

const path = '/files';

/** Every file of the account, in the service's order. */
export async function* listFiles(dialect: Dialect, context: Context): AsyncGenerator<ServiceFile> {
  for await (const item of readPages(dialect, path, context)) {
    const { id, filename, purpose, bytes, created_at, expires_at } = parseAnswer(WireFile, item, `GET ${path}`);
    yield {
      id,
      name: filename ?? null,
      purpose: purpose ?? null,
      bytes: bytes ?? null,
      createdAt: toIsoTime(created_at),
      expiresAt: toIsoTime(expires_at),
    };
  }
}
