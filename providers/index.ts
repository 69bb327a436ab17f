import type { Provider } from '../src/provider/provider.ts';
import { azure } from './azure/index.ts';
import { endpoint } from './endpoint/index.ts';
import { huggingface } from './huggingface/index.ts';
import { local } from './local/index.ts';
import { openai } from './openai/index.ts';
import { together } from './together/index.ts';

/** Every provider that comes with the program. */
export const providers: readonly Provider[] = [local, openai, azure, huggingface, together, endpoint];
