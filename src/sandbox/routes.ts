import type { Answer } from './answer.ts';
import { deleteDeployment, deploy, retrieveDeployment } from './azure-deployments.ts';
import type { Call } from './call.ts';
import { chat } from './chat.ts';
import type { RequestKind } from './faults.ts';
import { deleteFile, listFiles, readContent, retrieveFile, upload } from './files.ts';
import { checkpoints, events } from './job-details.ts';
import { cancel, create, list, pause, resume, retrieve } from './jobs.ts';
import { deleteModel, listModels, retrieveModel } from './models.ts';
import type { ownSchemas } from './own-schemas.ts';
import { addPart, cancelUpload, completeUpload, createUpload } from './uploads.ts';

export interface Route {
  /** Method and path below the version; `:name` stands for one part. */
  readonly match: string;
  readonly kind: RequestKind;
  /** Schema of the JSON body in the published document, or one of our own. */
  readonly body?: string;
  readonly ownBody?: keyof typeof ownSchemas;
  /** Schema of the answer in the published document, where it is there. */
  readonly answer?: string;
  /** Parameters of the query; `name[]` for `name[key]`. */
  readonly query?: readonly string[];
  handle(call: Call): Answer;
}

const page = ['after', 'limit'];
const job = 'FineTuningJob';

/** What both services answer to. */
export const routes: readonly Route[] = [
  { match: 'POST /files', kind: 'upload', answer: 'OpenAIFile', handle: upload },
  { match: 'GET /files', kind: 'files', answer: 'ListFilesResponse', query: [...page, 'order', 'purpose'], handle: listFiles },
  { match: 'GET /files/:id', kind: 'file', answer: 'OpenAIFile', handle: retrieveFile },
  { match: 'GET /files/:id/content', kind: 'content', handle: readContent },
  { match: 'DELETE /files/:id', kind: 'delete', answer: 'DeleteFileResponse', handle: deleteFile },
  { match: 'POST /uploads', kind: 'upload-create', body: 'CreateUploadRequest', answer: 'Upload', handle: createUpload },
  { match: 'POST /uploads/:id/parts', kind: 'upload-part', answer: 'UploadPart', handle: addPart },
  { match: 'POST /uploads/:id/complete', kind: 'upload-complete', body: 'CompleteUploadRequest', answer: 'Upload', handle: completeUpload },
  { match: 'POST /uploads/:id/cancel', kind: 'upload-cancel', answer: 'Upload', handle: cancelUpload },
  { match: 'POST /fine_tuning/jobs', kind: 'create', body: 'CreateFineTuningJobRequestReq', answer: job, handle: create },
  {
    match: 'GET /fine_tuning/jobs',
    kind: 'list',
    answer: 'ListPaginatedFineTuningJobsResponse',
    query: [...page, 'metadata', 'metadata[]'],
    handle: list,
  },
  { match: 'GET /fine_tuning/jobs/:id', kind: 'get', answer: job, handle: retrieve },
  { match: 'GET /fine_tuning/jobs/:id/events', kind: 'events', answer: 'ListFineTuningJobEventsResponse', query: page, handle: events },
  {
    match: 'GET /fine_tuning/jobs/:id/checkpoints',
    kind: 'checkpoints',
    answer: 'ListFineTuningJobCheckpointsResponse',
    query: page,
    handle: checkpoints,
  },
  { match: 'POST /fine_tuning/jobs/:id/cancel', kind: 'cancel', answer: job, handle: cancel },
  { match: 'POST /fine_tuning/jobs/:id/pause', kind: 'pause', answer: job, handle: pause },
  { match: 'POST /fine_tuning/jobs/:id/resume', kind: 'resume', answer: job, handle: resume },
  { match: 'GET /models', kind: 'models', answer: 'ListModelsResponse', handle: listModels },
  { match: 'GET /models/:id', kind: 'model', answer: 'Model', handle: retrieveModel },
  { match: 'DELETE /models/:id', kind: 'model-delete', answer: 'DeleteModelResponse', handle: deleteModel },
  { match: 'POST /chat/completions', kind: 'chat', ownBody: 'ChatRequest', handle: chat },
];

const deployment =
  '/subscriptions/:subscription/resourceGroups/:group/providers/Microsoft.CognitiveServices/accounts/:account/deployments/:deployment';

/** What only Azure answers to. */
export const azureRoutes: readonly Route[] = [
  { match: 'POST /deployments/:deployment/chat/completions', kind: 'chat', ownBody: 'ChatRequest', handle: chat },
  { match: `PUT ${deployment}`, kind: 'deploy', ownBody: 'DeployRequest', handle: deploy },
  { match: `GET ${deployment}`, kind: 'deployment', handle: retrieveDeployment },
  { match: `DELETE ${deployment}`, kind: 'deployment-delete', handle: deleteDeployment },
];

/** The route of a request and what stands for its names; null: there is none. */
export function findRoute(table: readonly Route[], method: string, path: string): { route: Route; params: Record<string, string> } | null {
  const parts = [method, ...path.slice(1).split('/')];
  for (const route of table) {
    const wanted = route.match.replace(' /', '/').split('/');
    if (wanted.length !== parts.length) continue;
    if (!wanted.every((part, i) => part.startsWith(':') || part === parts[i])) continue;
    const named = wanted.flatMap((part, i) => (part.startsWith(':') ? [[part.slice(1), decode(parts[i]!)]] : []));
    return { route, params: Object.fromEntries(named) as Record<string, string> };
  }
  return null;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
