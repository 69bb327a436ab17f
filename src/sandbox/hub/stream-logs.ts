import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Fault } from '../faults.ts';
import type { HubCall } from './hub-call.ts';
import { advanceHubJobs } from './hub-job-life.ts';
import { isEnded, type HubJob, type LogLine } from './hub-job.ts';

const keepAliveMs = 30_000;
const lookMs = 200;

/**
 * Sends a job's log from its beginning, and what comes while it runs, until it ends or the client goes. A planned cut, or an early end, comes
 * in the middle of what there is when the stream begins.
 */
export async function streamLogs(
  call: HubCall,
  job: HubJob,
  { response, fault }: { response: ServerResponse; fault: Fault | null },
): Promise<void> {
  const { account, service, query } = call;
  const { clock } = service;
  const isBroken = fault?.type === 'cut' || fault?.type === 'early-end';
  const tail = query.get('tail');
  let sent = tail === null ? 0 : Math.max(0, job.log.length - Number(tail));
  const limit = isBroken ? sent + Math.floor((job.log.length - sent) / 2) : Infinity;
  let spokeMs = clock.nowMs();
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }).flushHeaders();
  const closed = once(response, 'close');
  while (!response.destroyed) {
    advanceHubJobs({ account, service }, clock.nowMs());
    const lines = job.log.slice(sent, limit);
    sent += lines.length;
    if (lines.length > 0 || clock.nowMs() - spokeMs >= keepAliveMs) {
      response.write(lines.length === 0 ? ': keep-alive\n\n' : lines.map(toEvent).join(''));
      spokeMs = clock.nowMs();
    }
    if (sent >= limit) return fault?.type === 'cut' ? await cut(response) : void response.end();
    if (isEnded(job) && sent >= job.log.length) return void response.end();
    await waitForMore(call, closed);
  }
}

/** Ends a connection after what was written has gone. */
async function cut(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => void response.write(': cut\n', () => resolve()));
  response.destroy();
}

async function waitForMore({ account, service }: HubCall, closed: Promise<unknown>): Promise<void> {
  const { watchers } = account.hub;
  const { promise, resolve } = Promise.withResolvers<void>();
  watchers.add(resolve);
  await Promise.race([promise, service.clock.wait(lookMs), closed]);
  watchers.delete(resolve);
}

function toEvent({ text, atMs }: LogLine): string {
  return `data: ${JSON.stringify({ data: text, timestamp: new Date(atMs).toISOString() })}\n\n`;
}
