import { Hono } from 'hono';
import { z } from 'zod';
import { formatTime } from './clock.ts';
import { FaultPlans, Milliseconds } from './faults.ts';
import { readBody } from './http.ts';
import { addOtherHubJobs, formatHubJob } from './hub/jobs.ts';
import { advanceHubJobs } from './hub/job-life.ts';
import { findCommit, listCommits } from './hub/repos.ts';
import type { Repo } from './hub/state.ts';
import { readKey } from './openai/app.ts';
import { addOtherJobs } from './openai/create-job.ts';
import { formatFile } from './openai/files.ts';
import { advanceJobs, formatJob } from './openai/jobs.ts';
import { addOtherTogetherJobs } from './together/create-job.ts';
import { formatTogetherFile } from './together/files.ts';
import { advanceTogetherJobs, formatShortJob } from './together/jobs.ts';
import { Settings, type AccountState, type SandboxEnv, type Service } from './service.ts';

/** What has come of one API key so far: copies, all of it JSON. Jobs and files are as the services write them. */
export type Account = ReturnType<typeof reportAccount>;

export function reportAccount(service: Service, account: AccountState) {
  const nowMs = service.clock.nowMs();
  advanceJobs(account, nowMs);
  advanceHubJobs({ service, account }, nowMs);
  advanceTogetherJobs(account, nowMs);
  const { name, bill, requests, used, settings, violations, openai, hub, together } = account;
  return {
    /** The key without `sk-sandbox-`. */
    name,
    /** What was charged, in order; never shortened. */
    bill: [...bill],
    requests: [...requests],
    /** How often each kind was asked for since the faults were set. */
    used: { ...used },
    /** Newest first. */
    jobs: openai.jobs.map(formatJob),
    /** Oldest first. */
    files: [...openai.files.values()].map((file) => formatFile(file, nowMs)),
    hub: {
      /** Newest first. */
      jobs: hub.jobs.map((job) => formatHubJob(account, job, nowMs)),
      /** Oldest first. */
      repos: [...hub.repos.values()].map(formatRepo),
      /** Tokens that arrived at the storage; must stay empty. */
      leakedTokens: [...hub.leaks],
    },
    together: {
      /** Newest first. */
      jobs: together.jobs.map((job) => ({ ...formatShortJob(job) })),
      /** Oldest first. */
      files: [...together.files.values()].map((file) => formatTogetherFile(file, nowMs)),
      endpoints: [...together.endpoints.values()].map(({ wire }) => wire),
    },
    settings,
    /** Errors of the sandbox itself; must stay empty. */
    violations: [...violations],
  };
}

function formatRepo(repo: Repo) {
  const branches = [...repo.branches].map(([name, sha]) => {
    const files = [...(findCommit(repo, sha)?.files ?? [])].map(([path, { bytes, lfs }]) => ({
      path,
      size: bytes.length,
      lfs: lfs !== null,
    }));
    return { name, sha, commits: listCommits(repo, sha).length, files };
  });
  return { type: repo.type, name: repo.name, private: repo.isPrivate, branches };
}

/** Plans faults for the requests from now on: the first of a kind is the next one. */
export function setFaults(account: AccountState, faults: FaultPlans): void {
  account.faults = faults;
  account.used = {};
}

/** Changes what is named. */
export function setSettings(account: AccountState, settings: Partial<Settings>, nowMs: number): void {
  account.settings = { ...account.settings, ...settings };
  addOtherJobs(account, nowMs);
  addOtherHubJobs(account, nowMs);
  addOtherTogetherJobs(account, nowMs);
}

/** What is no part of a service: how an account fares, and what shall go wrong with it, for other processes. */
export function createControlApp(): Hono<SandboxEnv> {
  return new Hono<SandboxEnv>()
    .use(async (context, next) => {
      context.set('account', context.var.service.findAccount(readKey(context, { acceptsToken: true })));
      await next();
    })
    .get('/account', (context) => context.json(reportAccount(context.var.service, context.var.account)))
    .put('/faults', async (context) => {
      setFaults(context.var.account, await readBody(context, FaultPlans));
      return context.json({ faults: context.var.account.faults });
    })
    .put('/settings', async (context) => {
      const { account, service } = context.var;
      setSettings(account, (await readBody(context, Settings.partial())) as Partial<Settings>, service.clock.nowMs());
      return context.json({ settings: account.settings });
    })
    .post('/step', async (context) => {
      const { clock } = context.var.service;
      clock.step((await readBody(context, z.strictObject({ ms: Milliseconds }))).ms);
      return context.json({ now: formatTime(clock.nowMs()) });
    });
}
