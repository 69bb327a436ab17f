import { defineProvider } from '../../src/provider/provider.ts';
import { createOpenAICompatible } from '../openai-compatible/index.ts';
import { config } from './config.ts';
import { deployments } from './deployments.ts';

/** Azure OpenAI and Microsoft Foundry: the same jobs as at OpenAI, at another address; a tuned model answers once it is deployed. */
export const azure = defineProvider({ ...createOpenAICompatible(config), deployments });
