import { Hono, type MiddlewareHandler } from 'hono';
import { isHubToken, type SandboxEnv } from '../service.ts';
import { refuseXet, validateCard } from './cards.ts';
import { listHardware } from './hardware.ts';
import { receiveHub, refuseHub } from './http.ts';
import { cancelHubJob, createHubJob, listHubJobs, readHubJob, streamLogs } from './jobs.ts';
import * as repos from './repo-routes.ts';
import { answerBatch, resolveFile } from './storage.ts';

/** Who shows no token is this account, which has nothing. */
const anonymous = 'hf_sandbox_anonymous';

/** Sets the account of a token. Tokens of another form are refused, so that real ones are noticed. `isPublic`: none is needed. */
function identify({ isPublic = false } = {}): MiddlewareHandler<SandboxEnv> {
  return async (context, next) => {
    const token = /^Bearer (.*)$/.exec(context.req.header('authorization') ?? '')?.[1];
    if (token === undefined ? !isPublic : !isHubToken(token))
      refuseHub(401, 'Invalid username or password. The sandbox takes tokens of the form hf_sandbox_NAME.');
    context.set('isAnonymous', token === undefined);
    context.set('account', context.var.service.findAccount(token ?? anonymous));
    await next();
  };
}

const account = identify();
const anyone = identify({ isPublic: true });
const job = '/api/jobs/:ns/:id';

/** What the Hub answers to. */
export function createHubApp(): Hono<SandboxEnv> {
  const app = new Hono<SandboxEnv>()
    .get('/api/whoami-v2', account, receiveHub('whoami'), repos.whoAmI)
    .post('/api/validate-yaml', anyone, receiveHub('repo'), validateCard)
    .post('/api/repos/create', account, receiveHub('repo-create'), repos.createRepo)
    .delete('/api/repos/delete', account, receiveHub('repo-delete'), repos.deleteRepo)
    .get('/api/jobs/hardware', anyone, receiveHub('job-hardware'), listHardware)
    .post('/api/jobs/:ns', account, receiveHub('job-create'), createHubJob)
    .get('/api/jobs/:ns', account, receiveHub('job-list'), listHubJobs)
    .get(job, account, receiveHub('job-get'), readHubJob)
    .get(`${job}/logs`, account, receiveHub('job-logs'), streamLogs)
    .post(`${job}/cancel`, account, receiveHub('job-cancel'), cancelHubJob);
  for (const type of ['models', 'datasets']) {
    const repo = `/api/${type}/:ns/:name`;
    app
      .get(`/api/${type}`, anyone, receiveHub('repo'), repos.listRepos)
      .get(repo, anyone, receiveHub('repo'), repos.readRepo)
      .get(`${repo}/revision/:rev`, anyone, receiveHub('repo'), repos.readRepo)
      .get(`${repo}/commits/:rev`, anyone, receiveHub('repo'), repos.readCommits)
      .get(`${repo}/xet-write-token/:rev`, account, receiveHub('repo'), refuseXet)
      .get(`${repo}/xet-read-token/:rev`, anyone, receiveHub('repo'), refuseXet)
      .get(`${repo}/refs`, anyone, receiveHub('repo'), repos.readRefs)
      .get(`${repo}/tree/:rev/:path{.+}?`, anyone, receiveHub('tree'), repos.listTree)
      .post(`${repo}/branch/:rev`, account, receiveHub('branch'), repos.createBranch)
      .delete(`${repo}/branch/:rev`, account, receiveHub('branch-delete'), repos.deleteBranch)
      .post(`${repo}/preupload/:rev`, account, receiveHub('preupload'), repos.preupload)
      .post(`${repo}/commit/:rev`, account, receiveHub('commit'), repos.commit);
    const files = `${type === 'models' ? '' : '/datasets'}/:ns/:name`;
    app
      .post(`${files}/info/lfs/objects/batch`, account, receiveHub('lfs-batch'), answerBatch)
      .get(`${files}/resolve/:rev/:path{.+}`, anyone, receiveHub('resolve'), resolveFile);
  }
  return app;
}
