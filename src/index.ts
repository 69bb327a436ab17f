/** The library: what the command line does, as functions, and what a provider of one's own is made of. */
export {
  createOrchestrator,
  type EvaluateOptions,
  type Orchestrator,
  type OrchestratorOptions,
  type RunHandle,
  type WatchOptions,
} from './orchestrator.ts';
export { main as runCli, type RunOptions } from './cli/main.ts';
export type { SubmitOptions } from './run/plan-job.ts';
export type { Decision } from './run/decide.ts';
export type { RunPlan } from './run/event.ts';
export type { RunView } from './run/run-view.ts';
export type { Comparison } from './evaluate/compare.ts';
export { Failure, isFailure, toFailureData, type FailureCode, type FailureData } from './failure.ts';
export {
  defineProvider,
  SubmitFailure,
  type Artifact,
  type Attempt,
  type Check,
  type Context,
  type JobRef,
  type ModelRef,
  type Observation,
  type Prediction,
  type PredictionRow,
  type Progress,
  type Provider,
  type Quote,
  type Sent,
  type Translation,
  type TranslationInput,
} from './contract/provider.ts';
export type { Metric } from './contract/metric.ts';
export type { Note } from './contract/note.ts';
export type { Phase, Status } from './contract/status.ts';
export { contractLaw } from './contract/contract-law.ts';
export type { Law, LawEnd, LawSubject, LawWorld } from './contract/law-subject.ts';
export { httpLaw } from './contract/http-law.ts';
export { createFetch, createRedactor, requestJson, Secret, toHttpFailure, toSendOutcome, type RateLimit } from './http.ts';
