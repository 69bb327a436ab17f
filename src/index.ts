/** The library: what the command line does, as functions. */
export { createOrchestrator, type Orchestrator, type OrchestratorOptions, type SubmitOptions } from './orchestrator.ts';
export { main as runCli } from './cli/main.ts';
export { defineProvider, SubmitFailure, type Provider } from './contract/provider.ts';
export { Failure, isFailure, type FailureCode, type FailureData } from './failure.ts';
export type { RunView } from './run/run-view.ts';
export type { Comparison } from './evaluate/compare.ts';
