/** The library: what the command line does, as functions, and what a provider of your own is made of. */
export {
  createOrchestrator,
  type CompareOptions,
  type EvaluateOptions,
  type Orchestrator,
  type OrchestratorOptions,
  type RunHandle,
  type ServeOptions,
  type SubmitOptions,
  type WatchOptions,
} from './orchestrator.ts';
/** The providers that come with the program, for those who change one. */
export { providers } from '../providers/index.ts';
export type { Decision } from './run/controls.ts';
export type { RunPlan } from './run/event.ts';
export type { RunView } from './run/run-view.ts';
export type { Capture, CaptureOptions, CaptureProgress } from './evaluate/capture.ts';
export type { Comparison } from './evaluate/comparison.ts';
export type { RunningServer } from './server/main.ts';
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
export { createFetch, createRedactor, Secret, toHttpFailure, toSendOutcome } from './provider-kit/http.ts';
export { requestJson } from './provider-kit/json.ts';

// An old version of Node gets one sentence, not the first error that it runs into.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 24 || (major === 24 && minor < 15)) {
  const found = `${process.versions.node} (${process.execPath})`;
  throw new Error(
    `finetune-orchestrator needs Node.js 24.15 or newer, found ${found}: install it from https://nodejs.org, or with npm i node@24`,
  );
}
