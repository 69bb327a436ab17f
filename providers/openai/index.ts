import { defineProvider } from '../../src/provider/provider.ts';
import { azureDialect } from './azure.ts';
import { deploy, quoteDeployment, undeploy } from './deploy.ts';
import { createOpenAICompatible } from './openai-shaped.ts';
import { openaiDialect } from './openai.ts';

export const openai = createOpenAICompatible(openaiDialect);
export const azure = defineProvider({
  ...createOpenAICompatible(azureDialect),
  deployments: { deploy, undeploy, quote: quoteDeployment },
});
