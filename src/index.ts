/** The library: what the command line does, as functions. */
export {
  createOrchestrator,
  type EvaluateOptions,
  type Orchestrator,
  type OrchestratorOptions,
  type RunHandle,
  type WatchOptions,
} from './orchestrator.ts';
export type { SubmitOptions } from './run/plan-job.ts';
export type { RunPlan } from './run/event.ts';
export { main as runCli } from './cli/main.ts';
export { defineProvider, SubmitFailure, type Provider } from './contract/provider.ts';
export { Failure, isFailure, type FailureCode, type FailureData } from './failure.ts';
export type { RunView } from './run/run-view.ts';
export type { Comparison } from './evaluate/compare.ts';
