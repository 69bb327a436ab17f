import type { Provider } from '../src/contract/provider.ts';
import { local } from './local/index.ts';

/** Every provider that comes with the program. */
export const providers: readonly Provider[] = [local];
