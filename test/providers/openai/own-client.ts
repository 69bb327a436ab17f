import OpenAI, { AzureOpenAI } from 'openai';
import type { Row } from '../../../src/dataset/row.ts';
import { startRecordingServer, type RecordedRequest } from './recording-server.ts';
import { canaryKey, createSandboxFixture, type SandboxFixture } from './fixture.ts';

export const apiVersion = '2025-04-01-preview';

/** A service, and how the official client is told of it. */
interface Service {
  readonly dialect: 'openai' | 'azure';
  /** Settings beside the address. */
  readonly settings: Readonly<Record<string, string>>;
  /** The official client as its own documentation makes it. */
  toOwnClient(url: string): OpenAI;
}

export const openai: Service = {
  dialect: 'openai',
  settings: { OPENAI_ORG_ID: 'org-1', OPENAI_PROJECT_ID: 'proj-1' },
  toOwnClient: (url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: canaryKey, organization: 'org-1', project: 'proj-1' }),
};
export const azure: Service = {
  dialect: 'azure',
  settings: {},
  toOwnClient: (url) => new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: canaryKey, organization: null, project: null }),
};
/** The interface of Azure with versions. */
export const dated: Service = {
  dialect: 'azure',
  settings: { OPENAI_API_VERSION: apiVersion },
  toOwnClient: (url) => new AzureOpenAI({ endpoint: url, apiKey: canaryKey, apiVersion, organization: null, project: null }),
};

const rows: readonly Row[] = Array.from({ length: 10 }, (_, i) => ({
  messages: [
    { role: 'user', content: `question ${i}` },
    { role: 'assistant', content: 'answer — €' },
  ],
}));

/** What is asked of a service that answers everything well, by the program and by the official client. */
export async function record(
  { dialect, settings, toOwnClient }: Service,
  use: (fixture: SandboxFixture, own: OpenAI) => Promise<void>,
): Promise<RecordedRequest[]> {
  await using server = await startRecordingServer(({ path }) => ({
    json: path.includes('/complete') ? { id: 'upload-1', file: { id: 'file-1' } } : { id: 'x-1', status: 'processed' },
  }));
  const environment = { OPENAI_BASE_URL: `${server.url}/v1`, AZURE_OPENAI_ENDPOINT: server.url, ...settings };
  await using fixture = await createSandboxFixture({ dialect, rows, environment });
  await use(fixture, toOwnClient(server.url));
  return server.requests;
}
