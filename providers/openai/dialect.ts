import type OpenAI from 'openai';
import type { z } from 'zod';
import type { Context } from '../../src/provider/context.ts';
import type { EndpointModel } from '../../src/provider/model.ts';
import type { Phase } from '../../src/provider/status.ts';
import type { Secret } from '../../src/provider-kit/http.ts';
import type { ClientOptions } from './client.ts';
import type { Options } from './options.ts';
import type { OpenAIRequest } from './request.ts';

/** What services of this shape do differently, as data and functions. What a service does not have, its dialect lacks. */
export interface Dialect {
  readonly id: 'openai' | 'azure';
  /** Its name for people. */
  readonly name: string;
  readonly statusMap: Readonly<Record<string, Phase>>;
  readonly listingDelayMs: number;
  /** Credentials, of which one is enough. */
  readonly keyNames: readonly string[];
  readonly options: z.ZodObject & z.ZodType<Options>;
  /** Where it is: the base URL, without a slash at its end. @throws Failure `configuration-invalid` */
  getBaseUrl(context: Context): string;
  /** @throws Failure `credentials-invalid` where there is none, `configuration-invalid` */
  openClient(context: Context, options?: ClientOptions): Promise<OpenAI>;
  /** Fields of the create body beside those that all have. */
  toCreateExtras(options: Options): Readonly<Record<string, unknown>>;
  /** The base model's name without what this service adds to the names of tuned models. */
  toBaseName(model: string): string;
  /** The model that a request begins with, where it can be called without further ado. */
  baseModel?(request: OpenAIRequest, context: Context): EndpointModel;
  /** Where a person looks at a job; null where the address is not known. */
  toJobUrl(baseUrl: string, id: string): string | null;
}

/** Every credential that may be in use, to be masked in what is told. */
export function toSecrets({ keyNames }: Dialect, context: Context): Secret[] {
  return keyNames.map((name) => context.credential(name)).filter((secret) => secret !== null);
}
