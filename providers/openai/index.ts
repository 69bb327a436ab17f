import { azureDialect } from './azure.ts';
import { openaiShaped } from './openai-shaped.ts';
import { openaiDialect } from './openai.ts';

export const openai = openaiShaped(openaiDialect);
export const azure = openaiShaped(azureDialect);
