/** The library: what the command line does, as functions, and what a provider of one's own is made of. */
export { createOrchestrator } from './create-orchestrator.ts';
export type {
  CompareOptions,
  EvaluateOptions,
  Orchestrator,
  OrchestratorOptions,
  RunHandle,
  SubmitOptions,
  WatchOptions,
} from './orchestrator.ts';
/** The providers that come with the program, for those who change one. */
export { providers } from '../providers/index.ts';
export { main as runCli, type RunOptions } from './cli/main.ts';
export type { Decision } from './run/decide.ts';
export type { RunPlan } from './run/event.ts';
export type { RunView } from './run/run-view.ts';
export type { Capture, CaptureOptions, CaptureProgress } from './evaluate/capture.ts';
export type { Comparison } from './evaluate/compare.ts';
export { Failure, isFailure, toFailureData, type FailureCode, type FailureData } from './failure.ts';
export { type Attempt, type Context } from './contract/context.ts';
export { type Artifact, type JobRef, type Observation, type Progress } from './contract/job.ts';
export { type ModelRef } from './contract/model.ts';
export { type Prediction, type PredictionRow } from './contract/prediction.ts';
export { defineProvider, type Check, type Provider, type Quote, type Translation, type TranslationInput } from './contract/provider.ts';
export { SubmitFailure, type Sent } from './contract/submit-failure.ts';
export type { Metric } from './contract/metric.ts';
export type { Note } from './contract/note.ts';
export type { Phase, Status } from './contract/status.ts';
export { contractLaw } from './contract/contract-law.ts';
export type { Law, LawEnd, LawSubject, LawWorld } from './contract/law-subject.ts';
export { httpLaw } from './contract/http-law.ts';
export { createFetch, createRedactor, requestJson, Secret, toHttpFailure, toSendOutcome, type RateLimit } from './http.ts';
