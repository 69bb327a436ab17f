import { defineProvider } from '../../src/provider/provider.ts';
import { azureDialect } from './azure.ts';
import { deploy, quoteDeployment, undeploy } from './deploy.ts';
import { openaiShaped } from './openai-shaped.ts';
import { openaiDialect } from './openai.ts';

export const openai = openaiShaped(openaiDialect);
export const azure = defineProvider({ ...openaiShaped(azureDialect), deploy, undeploy, quoteDeployment });
