import { Hono } from 'hono';
import { receive } from '../http.ts';
import { readKey } from '../openai/app.ts';
import type { SandboxEnv } from '../service.ts';
import { createTogetherJob, estimatePrice } from './create-job.ts';
import * as files from './files.ts';
import * as jobs from './jobs.ts';
import * as serve from './serve.ts';

/** What Together answers to, under `/together/v1`. */
export function createTogetherApp(): Hono<SandboxEnv> {
  const api = new Hono<SandboxEnv>()
    .post('/files', receive('upload'), files.announceFile)
    .get('/files', receive('files'), files.listFiles)
    .post('/files/multipart/initiate', receive('upload-create'), files.initiateParts)
    .post('/files/multipart/complete', receive('upload-complete'), files.completeParts)
    .post('/files/multipart/abort', receive('delete'), files.abortParts)
    .get('/files/:id', receive('file'), files.retrieveFile)
    .get('/files/:id/content', receive('content'), files.readContent)
    .delete('/files/:id', receive('delete'), files.deleteFile)
    .post('/files/:id/preprocess', receive('preprocess'), files.preprocessFile)
    .get('/fine-tunes/models/supported', receive('models'), serve.listSupported)
    .get('/fine-tunes/models/limits', receive('limits'), serve.readLimits)
    .post('/fine-tunes/estimate-price', receive('estimate'), estimatePrice)
    .post('/fine-tunes', receive('create'), createTogetherJob)
    .get('/fine-tunes', receive('list'), jobs.listTogetherJobs)
    .get('/fine-tunes/:id', receive('get'), jobs.retrieveTogetherJob)
    .delete('/fine-tunes/:id', receive('job-delete'), jobs.deleteTogetherJob)
    .get('/fine-tunes/:id/events', receive('events'), jobs.listTogetherEvents)
    .get('/fine-tunes/:id/checkpoints', receive('checkpoints'), jobs.listTogetherCheckpoints)
    .get('/fine-tunes/:id/metrics', receive('metrics'), jobs.listTogetherMetrics)
    .post('/fine-tunes/:id/cancel', receive('cancel'), jobs.cancelTogetherJob)
    .get('/models', receive('models'), serve.listTogetherModels)
    .get('/hardware', receive('limits'), serve.listHardware)
    .get('/endpoints', receive('deployment'), serve.listEndpoints)
    .post('/endpoints', receive('deploy'), serve.createEndpoint)
    .get('/endpoints/:id', receive('deployment'), serve.retrieveEndpoint)
    .delete('/endpoints/:id', receive('deployment-delete'), serve.deleteEndpoint)
    .post('/chat/completions', receive('chat'), serve.togetherChat);
  return new Hono<SandboxEnv>()
    .use('/together/v1/*', async (context, next) => {
      context.set('account', context.var.service.findAccount(readKey(context)));
      await next();
    })
    .route('/together/v1', api);
}
