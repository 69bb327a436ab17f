import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A small Hub with Jobs, as much of it as the provider speaks with. Its storage is another origin, and takes no credentials. */
export interface HubServer extends AsyncDisposable {
  readonly url: string;
  readonly jobs: ServerJob[];
  readonly repos: Map<string, ServerRepo>;
  /** Method, path and body of each request to the Hub itself. */
  readonly requests: { readonly method: string; readonly path: string; readonly body: string; readonly authorization: string | null }[];
  /** Requests to the storage that carried a credential. */
  readonly leaks: string[];
  readonly settings: Settings;
  /** Logs that are being followed. */
  countStreams(): number;
  close(): Promise<void>;
}

/** What a container prints: a line of the engine, or an event without its number and its time. */
export type Printed = string | { readonly type: string };

/** The line that a second job of an attempt prints. */
const claimed = { type: 'training-failed', code: 'request-refused', message: 'this attempt is claimed already', hint: null };

export interface Settings {
  /** How many jobs a page of the list holds. */
  pageSize: number;
  /** From creation to end. */
  jobMs: number;
  /** What running jobs print, spread over the time that they run. */
  lines: readonly Printed[];
  /** The stage that a job ends with. */
  stage: string;
  /** Its message. */
  message: string | null;
  /** Files that a job leaves at its end. */
  files: Readonly<Record<string, string>>;
  /** Says this for the stage of every job. */
  said: string | null;
  /** Answers of a kind for requests whose method and path contain the text. */
  fault: { readonly on: RegExp; readonly type: 'hang' | '500' | 'html' | 'cut' | '402' | '429' | '401' } | null;
  /** Ends the log of a job after so many lines, though there are more. */
  logEndsAfter: number | null;
  /** The address of the next page of jobs, instead of its own. */
  nextLink: string | null;
  /** A file that is sent with other bytes than listed. */
  spoil: string | null;
  /** The commit of an empty branch; null: that of `main`. */
  fenceSha: string | null;
  /** Whether lists of jobs have all of them, whatever label is asked for. */
  listsAll: boolean;
}

export interface ServerJob {
  readonly id: string;
  readonly namespace: string;
  readonly createdMs: number;
  readonly body: Readonly<Record<string, unknown>> & {
    labels: Record<string, string>;
    environment: Record<string, string>;
    secrets: Record<string, string>;
  };
  readonly lines: readonly string[];
  end: { readonly atMs: number; readonly stage: string; readonly message: string | null } | null;
  isClaimed: boolean;
}

export interface ServerRepo {
  readonly files: Map<string, Buffer>;
  readonly lfs: Set<string>;
  /** Name to the commit that it is at where that is not the newest of `main`, and since when. */
  readonly branches: Map<string, { readonly sha: string; readonly atMs: number } | null>;
  readonly isPrivate: boolean;
  readonly createdMs: number;
  sha: string;
}

const queuedMs = 10_000;
const token = /^Bearer hf_\w+$/;

export async function startHub(now: () => number, change: Partial<Settings> = {}): Promise<HubServer> {
  const settings: Settings = {
    pageSize: 2,
    jobMs: 60_000,
    lines: [],
    stage: 'COMPLETED',
    message: null,
    files: { 'model.safetensors': 'weights', 'README.md': '# model\n' },
    said: null,
    fault: null,
    logEndsAfter: null,
    nextLink: null,
    spoil: null,
    fenceSha: 'f'.repeat(40),
    listsAll: false,
    ...change,
  };
  const jobs: ServerJob[] = [];
  const repos = new Map<string, ServerRepo>();
  const requests: { method: string; path: string; body: string; authorization: string | null }[] = [];
  const leaks: string[] = [];
  const objects = new Map<string, Buffer>();
  const streams = new Set<ServerResponse>();

  const storage = createServer((request, response) => void serveStorage(request, response));
  const hub = createServer((request, response) => void serveHub(request, response));
  await Promise.all([storage, hub].map(async (server) => await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))));
  const toUrl = (server: typeof hub): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [url, storageUrl] = [toUrl(hub), toUrl(storage)];

  async function serveStorage(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== undefined) leaks.push(`${request.method} ${request.url}`);
    const oid = request.url!.slice(1).split('?')[0]!;
    if (request.method === 'PUT') objects.set(oid, await buffer(request));
    response.end(request.method === 'PUT' ? '' : objects.get(oid));
  }

  const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(body));
  };
  const refuse = (response: ServerResponse, status: number, error: string): void => json(response, status, { error });

  function touch(repo: ServerRepo): void {
    const parts = [...repo.files].map(([path, bytes]) => `${path} ${createHash('sha256').update(bytes).digest('hex')}`);
    repo.sha = createHash('sha1').update(parts.sort().join('\n')).digest('hex');
  }

  function addRepo(name: string, isPrivate: boolean): ServerRepo {
    const repo: ServerRepo = {
      files: new Map([['.gitattributes', Buffer.from('*\n')]]),
      lfs: new Set(),
      branches: new Map([['main', null]]),
      isPrivate,
      createdMs: now(),
      sha: '',
    };
    touch(repo);
    repos.set(name, repo);
    return repo;
  }
  addRepo('models/acme/base', false).files.set('config.json', Buffer.from('{"model_type": "bert"}'));
  addRepo('models/acme/young', false).files.set('config.json', Buffer.from('{"model_type": "qwen9"}'));

  /** Lets every job go as far as the time. */
  function advance(): void {
    for (const job of jobs) {
      const ageMs = now() - job.createdMs;
      if (job.end !== null || ageMs < queuedMs) continue;
      const output = repos.get(
        `models/${(JSON.parse(job.body.environment['ORCHESTRATE_JOB'] ?? '{}') as { output: { repo: string } }).output?.repo}`,
      );
      if (!job.isClaimed) {
        job.isClaimed = true;
        if (output?.branches.has('orchestrate-claim') === true) {
          Object.assign(job, { lines: toLines([claimed]) });
          job.end = { atMs: job.createdMs + queuedMs, stage: 'ERROR', message: 'exit code 3' };
          continue;
        }
        output?.branches.set('orchestrate-claim', null);
      }
      if (ageMs < settings.jobMs) continue;
      if (settings.stage === 'COMPLETED' && output !== undefined) {
        for (const [path, text] of Object.entries(settings.files)) output.files.set(path, Buffer.from(text));
        for (const path of output.files.keys()) if (path.endsWith('.safetensors')) output.lfs.add(path);
        touch(output);
      }
      job.end = { atMs: job.createdMs + settings.jobMs, stage: settings.stage, message: settings.message };
    }
  }

  const iso = (ms: number): string => new Date(ms).toISOString();

  function toLines(printed: readonly Printed[]): string[] {
    return printed.map((one, i) =>
      typeof one === 'string' ? one : `orchestrate-event ${JSON.stringify({ n: i + 1, at: iso(now()), ...one })}`,
    );
  }

  function toJob(job: ServerJob): object {
    const isStarted = now() - job.createdMs >= queuedMs;
    const startedMs = isStarted ? job.createdMs + queuedMs : null;
    const { secrets, ...body } = job.body;
    const stage = settings.said ?? job.end?.stage ?? (isStarted ? 'RUNNING' : 'SCHEDULING');
    const running = job.end === null || startedMs === null ? null : (job.end.atMs - startedMs) / 1000;
    return {
      type: 'job',
      id: job.id,
      ...body,
      secrets: Object.keys(secrets),
      createdAt: iso(job.createdMs),
      startedAt: startedMs === null ? null : iso(startedMs),
      finishedAt: job.end === null ? null : iso(job.end.atMs),
      status: { stage, message: job.end?.message ?? null, failureCount: 0 },
      durations: { schedulingSecs: queuedMs / 1000, runningSecs: running, totalSecs: null },
      owner: { id: 'u', name: job.namespace, type: 'user' },
    };
  }

  function serveLogs(response: ServerResponse, job: ServerJob, tail: string | null): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    streams.add(response);
    response.on('close', () => streams.delete(response));
    const runsMs = settings.jobMs - queuedMs;
    const lines = ['===== Job started at 2026-11-22 12:00:00 =====', ...job.lines];
    const events = lines.map((text, i) => ({
      text,
      atMs: job.createdMs + queuedMs + Math.floor((runsMs * i) / Math.max(1, lines.length)),
    }));
    if (job.end !== null) events.push({ text: `===== Job finished: status=${job.end.stage} =====`, atMs: job.end.atMs });
    const due = events.filter(({ atMs }, i) =>
      i < 2 ? atMs <= now() || job.end !== null : atMs <= now() && (job.end === null || atMs <= job.end.atMs),
    );
    const sent = (settings.logEndsAfter === null ? due : due.slice(0, settings.logEndsAfter)).slice(-Number(tail ?? 0));
    for (const { text, atMs } of sent) response.write(`data: ${JSON.stringify({ data: text, timestamp: iso(atMs) })}\n\n`);
    if (job.end !== null || settings.logEndsAfter !== null) response.end();
    else response.write(': keep-alive\n\n');
  }

  async function serveHub(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, url);
    const method = request.method!;
    const body = (await buffer(request)).toString();
    requests.push({ method, path: request.url!, body, authorization: request.headers.authorization ?? null });
    const { fault } = settings;
    if (fault?.on.test(`${method} ${pathname}`) === true) {
      if (fault.type === 'hang') return;
      if (fault.type === 'cut') return void request.socket.destroy();
      if (fault.type === 'html') return void response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad gateway');
      return refuse(response, Number(fault.type), 'injected');
    }
    if (pathname === '/api/jobs/hardware') return json(response, 200, [{ name: 't4-small', unitCostMicroUSD: 6667, unitLabel: 'minute' }]);
    if (!token.test(request.headers.authorization ?? '')) return refuse(response, 401, 'Invalid user token.');
    advance();
    if (pathname === '/api/whoami-v2') return json(response, 200, { type: 'user', name: 'acme', canPay: true, orgs: [] });
    if (pathname === '/api/repos/create') {
      const asked = JSON.parse(body) as { name: string; organization: string; type?: string; visibility: string };
      const key = `${asked.type ?? 'model'}s/${asked.organization}/${asked.name}`;
      if (repos.has(key)) return refuse(response, 409, 'You already created this repo');
      addRepo(key, asked.visibility === 'private');
      return json(response, 200, { url: `${url}/${key}`, name: asked.name, id: '1' });
    }
    if (pathname === '/api/repos/delete') {
      const asked = JSON.parse(body) as { name: string; organization: string; type?: string };
      const isThere = repos.delete(`${asked.type ?? 'model'}s/${asked.organization}/${asked.name}`);
      return isThere ? json(response, 200, {}) : refuse(response, 404, 'Repository not found');
    }
    const job = /^\/api\/jobs\/([^/]+)(?:\/([^/]+))?(?:\/(cancel|logs))?$/.exec(pathname);
    if (job !== null) return serveJobs({ method, body, searchParams, namespace: job[1]!, id: job[2], verb: job[3] }, response);
    const list = /^\/api\/(models|datasets)$/.exec(pathname);
    if (list !== null) {
      const own = [...repos].filter(([key]) => key.startsWith(`${list[1]}/${searchParams.get('author')}/`));
      return json(
        response,
        200,
        own.map(([key, repo]) => ({
          _id: key,
          id: key.split('/').slice(1).join('/'),
          private: repo.isPrivate,
          lastModified: iso(now()),
          likes: 0,
          downloads: 0,
        })),
      );
    }
    serveRepo({ method, body, pathname }, response);
  }

  function serveJobs(
    {
      method,
      body,
      searchParams,
      namespace,
      id,
      verb,
    }: { method: string; body: string; searchParams: URLSearchParams; namespace: string; id: string | undefined; verb: string | undefined },
    response: ServerResponse,
  ): void {
    if (id === undefined && method === 'POST') {
      const job: ServerJob = {
        id: randomUUID().replaceAll('-', '').slice(0, 24),
        namespace,
        createdMs: now(),
        body: JSON.parse(body) as ServerJob['body'],
        lines: toLines(settings.lines),
        end: null,
        isClaimed: false,
      };
      jobs.unshift(job);
      return json(response, 200, toJob(job));
    }
    if (id === undefined) {
      const label = searchParams.get('label')?.split('=') ?? [];
      const own = jobs.filter(
        (job) => job.namespace === namespace && (settings.listsAll || label.length === 0 || job.body.labels[label[0]!] === label[1]),
      );
      const from = Number(searchParams.get('from') ?? 0);
      const next = from + settings.pageSize;
      const address = settings.nextLink ?? `${url}/api/jobs/${namespace}?label=${label.join('=')}&from=${next}`;
      const link = next < own.length ? { link: `<${address}>; rel="next"` } : {};
      return json(response, 200, own.slice(from, next).map(toJob), link);
    }
    const job = jobs.find((one) => one.id === id && one.namespace === namespace);
    if (job === undefined) return refuse(response, 404, 'Job not found');
    if (verb === 'logs') return serveLogs(response, job, searchParams.get('tail'));
    if (verb === 'cancel') {
      if (job.end !== null) return refuse(response, 400, 'Job has ended');
      job.end = { atMs: now(), stage: 'CANCELED', message: null };
    }
    json(response, 200, toJob(job));
  }

  function serveRepo({ method, body, pathname }: { method: string; body: string; pathname: string }, response: ServerResponse): void {
    const parts = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)(?:\/(.+))?$/.exec(pathname);
    const batch = /^\/datasets\/([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(pathname);
    const resolve = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    if (batch !== null) {
      const asked = JSON.parse(body) as { objects: { oid: string; size: number }[] };
      const answered = asked.objects.map(({ oid, size }) => ({
        oid,
        size,
        actions: { upload: { href: `${storageUrl}/${oid}?signature=1` } },
      }));
      return json(response, 200, { transfer: 'basic', objects: answered });
    }
    if (resolve !== null) {
      const repo = repos.get(`${resolve[1] === undefined ? 'models' : 'datasets'}/${resolve[2]}`);
      const path = decodeURIComponent(resolve[4]!);
      const bytes = repo?.files.get(path);
      if (repo === undefined || bytes === undefined) return refuse(response, 404, 'Entry not found');
      const sent = settings.spoil === path ? Buffer.from(bytes.toString().replace(/.$/, '!')) : bytes;
      if (!repo.lfs.has(path)) return void response.writeHead(200, { 'content-type': 'text/plain' }).end(sent);
      const oid = createHash('sha256').update(bytes).digest('hex');
      objects.set(oid, sent);
      return void response.writeHead(302, { location: `${storageUrl}/${oid}?signature=2` }).end();
    }
    const repo = parts === null ? undefined : repos.get(`${parts[1]}/${parts[2]}`);
    if (parts === null || repo === undefined) return refuse(response, 404, 'Repository not found');
    const rest = parts[3] ?? '';
    if (rest === '') return json(response, 200, { id: parts[2], sha: repo.sha, private: repo.isPrivate });
    if (rest === 'refs') {
      const branches = [...repo.branches].map(([name, at]) => ({ name, ref: `refs/heads/${name}`, targetCommit: at?.sha ?? repo.sha }));
      return json(response, 200, { branches, tags: [], converts: [] });
    }
    if (rest.startsWith('commits/')) {
      const at = repo.branches.get(rest.slice('commits/'.length));
      const authors = [{ user: 'acme', avatar: '' }];
      return json(response, 200, [{ id: at?.sha ?? repo.sha, title: 't', message: '', authors, date: iso(at?.atMs ?? repo.createdMs) }]);
    }
    if (rest.startsWith('tree/')) {
      const files = [...repo.files].map(([path, bytes]) => {
        const file = {
          type: 'file',
          path,
          size: bytes.length,
          oid: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
        };
        if (!repo.lfs.has(path)) return file;
        return { ...file, lfs: { oid: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, pointerSize: 130 } };
      });
      return json(response, 200, files);
    }
    if (rest.startsWith('branch/') && method === 'POST') {
      const branch = rest.slice('branch/'.length);
      if (repo.branches.has(branch)) return refuse(response, 409, 'Reference already exists');
      const asked = JSON.parse(body) as { emptyBranch?: boolean; startingPoint?: string };
      const start = repo.branches.get(asked.startingPoint ?? 'main') ?? null;
      repo.branches.set(branch, asked.emptyBranch === true ? { sha: settings.fenceSha ?? repo.sha, atMs: now() } : start);
      return json(response, 200, { success: true });
    }
    if (rest.startsWith('preupload/')) {
      const asked = JSON.parse(body) as { files: { path: string }[] };
      return json(response, 200, {
        files: asked.files.map(({ path }) => ({ path, uploadMode: path.endsWith('.jsonl') ? 'lfs' : 'regular' })),
      });
    }
    if (rest.startsWith('commit/')) {
      for (const line of body.split('\n')) {
        const { key, value } = JSON.parse(line) as { key: string; value: { path: string; content: string; oid: string } };
        if (key === 'file') repo.files.set(value.path, Buffer.from(value.content, 'base64'));
        if (key === 'lfsFile') {
          repo.files.set(value.path, objects.get(value.oid)!);
          repo.lfs.add(value.path);
        }
      }
      touch(repo);
      return json(response, 200, { success: true, commitOid: repo.sha, commitUrl: url, hookOutput: '' });
    }
    refuse(response, 404, 'Not found');
  }

  const close = async (): Promise<void> => {
    for (const server of [storage, hub]) server.closeAllConnections();
    await Promise.all([storage, hub].map(async (server) => await new Promise((done) => server.close(done))));
  };
  const countStreams = (): number => streams.size;
  return { url, countStreams, jobs, repos, requests, leaks, settings, close, [Symbol.asyncDispose]: close };
}
