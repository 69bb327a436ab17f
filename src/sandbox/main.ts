import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { createRealClock, createSteppedClock } from './clock.ts';
import { createControlApp, reportAccount, setFaults, setSettings, type Account } from './control.ts';
import type { FaultPlans } from './faults.ts';
import { buildError } from './http.ts';
import { createHubApp } from './hub/app.ts';
import { buildHubError } from './hub/http.ts';
import { createStorageApp } from './hub/storage.ts';
import { createPublicModel } from './hub/repos.ts';
import type { TrainModel } from './hub/train-model.ts';
import { createOpenAIApp } from './openai/app.ts';
import { createTogetherApp } from './together/app.ts';
import { createAccount, getAccountName, type AccountState, type SandboxEnv, type Service, type Settings } from './service.ts';

export type { Account } from './control.ts';
export type { Fault, FaultPlans, RequestKind } from './faults.ts';
export type { WireHubJob } from './hub/jobs.ts';
export type { Figures, JobTask, TrainedModel, TrainingTask, TrainModel } from './hub/train-model.ts';
export type { SandboxContext, SandboxEnv, Settings } from './service.ts';

export interface SandboxOptions {
  /** 0 or absent: any that is free. */
  readonly port?: number;
  readonly now?: () => Date;
  /** `stepped`: time begins at `now` and moves by `step` alone. */
  readonly clock?: 'real' | 'stepped';
  /** Of identifiers, seeds and curves; absent: another one each time. */
  readonly seed?: number;
  /** The faults of every new account. */
  readonly faults?: FaultPlans;
  /** The settings of every new account, where they differ from the usual ones. */
  readonly settings?: Partial<Settings>;
  /** Most items of a page (default 100). */
  readonly pageSize?: number;
  /** Trains the classifiers of the Hub's jobs; absent: those jobs fail. */
  readonly trainModel?: TrainModel;
  /** Public models of the Hub beside the usual ones, which have no weights: by name, and by path. */
  readonly models?: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;
  /** Sees every request that is carried out, and its whole answer, whatever a planned fault makes of it. */
  readonly middleware?: MiddlewareHandler<SandboxEnv>;
}

/** A running sandbox. Keys are optional: without one the account of `env` is meant. */
export interface Sandbox extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Another origin, with the Hub's large files. */
  readonly storageUrl: string;
  /** What the official clients of OpenAI and of the Hub read. */
  readonly env: Readonly<Record<'OPENAI_BASE_URL' | 'OPENAI_API_KEY' | 'HF_ENDPOINT' | 'HF_TOKEN' | 'HF_HUB_DISABLE_XET', string>>;
  /** What the official clients of Together read; the upload of the one in JavaScript has an address of its own. */
  readonly togetherEnv: Readonly<Record<`TOGETHER_${'BASE_URL' | 'API_BASE_URL' | 'API_KEY'}`, string>>;
  /** What the official client reads for Azure, and what Azure's management service is asked with. */
  readonly azureEnv: Readonly<
    Record<`AZURE_OPENAI_${'ENDPOINT' | 'API_KEY'}` | `AZURE_MANAGEMENT_${'URL' | 'TOKEN'}`, string> &
      Record<'AZURE_SUBSCRIPTION_ID' | 'AZURE_RESOURCE_GROUP' | 'AZURE_ACCOUNT', string>
  >;
  /** Puts the clock forward. */
  step(ms: number): void;
  /** A copy of what has come of the account so far. */
  account(apiKey?: string): Account;
  setFaults(faults: FaultPlans, apiKey?: string): void;
  setSettings(settings: Partial<Settings>, apiKey?: string): void;
  close(): Promise<void>;
}

const ownKey = 'sk-sandbox-demo';
const ownToken = 'hf_sandbox_demo';

/**
 * Starts a stand-in of the OpenAI API, of Azure's, of Together's, and of the Hugging Face Hub with its jobs on the loopback interface. It keeps nothing
 * on disk. @throws the system's error where the port is taken
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const [server, storage] = [createServer(), createServer()];
  const url = await listen(server, options.port ?? 0);
  const storageUrl = await listen(storage, 0);
  const closing = new AbortController();
  const service = createService(options, { url, storageUrl, signal: closing.signal });
  // Node's own Request and Response stay in their places: clients in this process have them, too.
  const serve = (to: Server, { fetch }: Hono<SandboxEnv>): void => {
    const listener = getRequestListener(fetch, { overrideGlobalObjects: false });
    to.on('request', (request, response) => void listener(request, response));
  };
  serve(server, createApp(service));
  serve(storage, createStorageApp(service).onError(answerError));
  const close = async (): Promise<void> => {
    closing.abort();
    await Promise.all([server, storage].map(closeServer));
  };
  const { clock, findAccount } = service;
  return {
    url,
    storageUrl,
    env: { OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: ownKey, HF_ENDPOINT: url, HF_TOKEN: ownToken, HF_HUB_DISABLE_XET: '1' },
    togetherEnv: {
      TOGETHER_BASE_URL: `${url}/together/v1`,
      TOGETHER_API_BASE_URL: `${url}/together/v1`,
      TOGETHER_API_KEY: ownKey,
    },
    azureEnv: {
      AZURE_OPENAI_ENDPOINT: url,
      AZURE_OPENAI_API_KEY: ownKey,
      AZURE_MANAGEMENT_URL: url,
      AZURE_MANAGEMENT_TOKEN: ownKey,
      AZURE_SUBSCRIPTION_ID: 'sandbox',
      AZURE_RESOURCE_GROUP: 'sandbox',
      AZURE_ACCOUNT: 'sandbox',
    },
    step: (ms) => clock.step(ms),
    account: (apiKey = ownKey) => reportAccount(service, findAccount(apiKey)),
    setFaults: (faults, apiKey = ownKey) => setFaults(findAccount(apiKey), faults),
    setSettings: (settings, apiKey = ownKey) => setSettings(findAccount(apiKey), settings, clock.nowMs()),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listen(server: Server, port: number): Promise<string> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

function createService(options: SandboxOptions, own: Pick<Service, 'url' | 'storageUrl' | 'signal'>): Service {
  const { now = () => new Date(), seed = randomInt(2 ** 31), faults = {}, settings = {}, pageSize = 100, trainModel = null } = options;
  const { middleware = async (_context, next) => await next() } = options;
  const clock = options.clock === 'stepped' ? createSteppedClock(now()) : createRealClock(now);
  const accounts = new Map<string, AccountState>();
  const findAccount = (key: string): AccountState => {
    const name = getAccountName(key);
    const found = accounts.get(name);
    if (found !== undefined) return found;
    const account = createAccount(name, seed, faults);
    setSettings(account, settings, clock.nowMs());
    accounts.set(name, account);
    return account;
  };
  const repos = [...(options.models ?? [])].map(([name, files]) => [name, createPublicModel(name, files)] as const);
  return {
    ...own,
    clock,
    pageSize,
    trainModel,
    models: new Map(repos),
    middleware,
    findAccount,
    peekAccount: (name) => accounts.get(name),
  };
}

function createApp(service: Service): Hono<SandboxEnv> {
  return new Hono<SandboxEnv>()
    .use(async (context, next) => {
      context.set('service', service);
      await next();
    })
    .route('/sandbox', createControlApp())
    .route('/', createOpenAIApp())
    .route('/', createTogetherApp())
    .route('/', createHubApp())
    .notFound(({ req: { method, path } }) =>
      path.startsWith('/api/')
        ? buildHubError(404, "Sorry, we can't find the page you are looking for.")
        : buildError(404, `Invalid URL (${method} ${path})`, { code: 'unknown_url' }),
    )
    .onError(answerError);
}

/** A refusal is an answer like any other; everything else is an error of the sandbox itself. */
const answerError: Parameters<Hono<SandboxEnv>['onError']>[0] = (error, context) => {
  if (error instanceof HTTPException) return error.getResponse();
  context.get('account')?.violations.push(`${context.req.method} ${context.req.path}: ${String(error)}`);
  return buildError(500, `An error of the sandbox: ${String(error)}`);
};
