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
export type { Decision } from './run/decide.ts';
export type { RunPlan } from './run/event.ts';
export type { RunView } from './run/run-view.ts';
export type { Capture, CaptureOptions, CaptureProgress } from './evaluate/capture.ts';
export type { Comparison } from './evaluate/compare.ts';
export { Failure, isFailure, toFailureData, type FailureCode, type FailureData } from './errors.ts';
export { type Attempt, type Context } from './provider/context.ts';
export { type Artifact, type JobRef, type Observation, type Progress } from './provider/job.ts';
export { type ModelRef } from './provider/model.ts';
export { type Prediction, type PredictionRow } from './provider/prediction.ts';
export { defineProvider, type Check, type Provider, type Quote, type Translation, type TranslationInput } from './provider/provider.ts';
export { SubmitFailure, type Sent } from './provider/submit-failure.ts';
export type { Metric } from './provider/metric.ts';
export type { Note } from './provider/note.ts';
export type { Phase, Status } from './provider/status.ts';
export { contractTests } from './testing/contract.ts';
export type { ConformanceTest, ConformanceResult_, ConformanceTarget, ConformanceEnvironment } from './testing/subject.ts';
export { httpTests } from './testing/http.ts';
export { createFetch, createRedactor, requestJson, Secret, toHttpFailure, toSendOutcome, type RateLimit } from './provider-kit/http.ts';
