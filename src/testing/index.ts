/** `finetune-orchestrator/testing`: what every provider is held to, as lists of checks for any test runner. */
export { contractTests } from './contract.ts';
export { httpTests } from './http.ts';
