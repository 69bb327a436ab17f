import { Hono, type MiddlewareHandler } from 'hono';
import { receive, refuse } from '../http.ts';
import { isHubToken, type SandboxContext, type SandboxEnv } from '../service.ts';
import { chat, listModels } from './chat.ts';
import { deleteDeployment, deploy, retrieveDeployment } from './deployments.ts';
import { createJob } from './create-job.ts';
import { azureDialect, openaiDialect, type Dialect } from './dialects.ts';
import * as files from './files.ts';
import * as jobs from './jobs.ts';

const keyPattern = /^sk-sandbox-[\w-]{1,100}$/;

/** The API key of a request. A key of another form is refused, so that a real one that is sent here by mistake is noticed. */
export function readKey(context: SandboxContext, { acceptsToken = false } = {}): string {
  const key = context.req.header('api-key') ?? /^Bearer (.*)$/.exec(context.req.header('authorization') ?? '')?.[1] ?? '';
  if (keyPattern.test(key) || (acceptsToken && isHubToken(key))) return key;
  const form = 'The sandbox takes keys of the form sk-sandbox-NAME, each of them an account.';
  if (key === '') return refuse(401, `You didn't provide an API key. ${form}`, { code: 'missing_api_key' });
  return refuse(401, `Incorrect API key provided. ${form}`, { code: 'invalid_api_key' });
}

function identify(dialect: Dialect): MiddlewareHandler<SandboxEnv> {
  return async (context, next) => {
    const isVersioned = context.req.query('api-version') !== undefined;
    const isVersionless = context.req.path.startsWith('/openai/v1/');
    if (dialect.id === 'azure' && isVersionless && isVersioned) refuse(400, 'API version not supported');
    if (dialect.id === 'azure' && !isVersionless && !isVersioned)
      refuse(404, 'Resource not found: the query has no api-version.', { code: '404' });
    context.set('dialect', dialect);
    context.set('account', context.var.service.findAccount(readKey(context)));
    await next();
  };
}

/** What both services answer to. */
function createApi(): Hono<SandboxEnv> {
  return new Hono<SandboxEnv>()
    .post('/files', receive('upload'), files.uploadFile)
    .get('/files', receive('files'), files.listFiles)
    .get('/files/:id', receive('file'), files.retrieveFile)
    .get('/files/:id/content', receive('content'), files.readContent)
    .delete('/files/:id', receive('delete'), files.deleteFile)
    .post('/uploads', receive('upload-create'), files.createUpload)
    .post('/uploads/:id/parts', receive('upload-part'), files.addPart)
    .post('/uploads/:id/complete', receive('upload-complete'), files.completeUpload)
    .post('/fine_tuning/jobs', receive('create'), createJob)
    .get('/fine_tuning/jobs', receive('list'), jobs.listJobs)
    .get('/fine_tuning/jobs/:id', receive('get'), jobs.retrieveJob)
    .get('/fine_tuning/jobs/:id/events', receive('events'), jobs.listEvents)
    .get('/fine_tuning/jobs/:id/checkpoints', receive('checkpoints'), jobs.listCheckpoints)
    .post('/fine_tuning/jobs/:id/cancel', receive('cancel'), jobs.cancelJob)
    .post('/fine_tuning/jobs/:id/pause', receive('pause'), jobs.pauseJob)
    .post('/fine_tuning/jobs/:id/resume', receive('resume'), jobs.resumeJob)
    .get('/models', receive('models'), listModels)
    .post('/chat/completions', receive('chat'), chat);
}

const deployment =
  '/subscriptions/:subscription/resourceGroups/:group/providers/Microsoft.CognitiveServices/accounts/:account/deployments/:deployment';

/** OpenAI under `/v1`; Azure, its versionless address and its management service under `/openai`, `/openai/v1` and `/subscriptions`. */
export function createOpenAIApp(): Hono<SandboxEnv> {
  return new Hono<SandboxEnv>()
    .use('/v1/*', identify(openaiDialect))
    .use('/openai/*', identify(azureDialect))
    .use('/subscriptions/*', identify(azureDialect))
    .route('/v1', createApi())
    .route('/openai/v1', createApi())
    .route('/openai', createApi())
    .post('/openai/deployments/:deployment/chat/completions', receive('chat'), chat)
    .put(deployment, receive('deploy'), deploy)
    .get(deployment, receive('deployment'), retrieveDeployment)
    .delete(deployment, receive('deployment-delete'), deleteDeployment);
}
