import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { HttpFault } from '../../../src/testing/http-fault.ts';

export interface Arrival {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Empty where the fault did not wait for it. */
  readonly body: Buffer;
  /** Whether it arrived at the other origin, where a redirect may lead. */
  readonly isForeign: boolean;
}

/** A real server on the loopback that answers every request as it was last told to. */
export interface MisbehavingServer {
  readonly origin: string;
  readonly otherOrigin: string;
  readonly arrivals: readonly Arrival[];
  /** How requests are answered from now on; several: one request after the other, the last one from then on. */
  behave(...faults: readonly HttpFault[]): void;
  /** Requests whose connection is open and whose answer is not finished. */
  countOpen(): number;
  /** Resolves when no connection is left. */
  close(): Promise<void>;
}

/** How a server answers that nobody told to misbehave. */
interface GoodService {
  /** The body for a request. */
  toBody?(path: string, method: string): string;
  /** The paths that misbehave once they are told to; absent: all. */
  readonly misbehaving?: RegExp;
}

export async function startMisbehavingServer({ toBody, misbehaving = /^/ }: GoodService = {}): Promise<MisbehavingServer> {
  const arrivals: Arrival[] = [];
  const open = new Set<ServerResponse>();
  let faults: readonly HttpFault[] = [];
  let next = 0;
  const serve =
    (isForeign: boolean) =>
    (request: IncomingMessage, response: ServerResponse): void => {
      const { method = '', url: path = '', headers } = request;
      const good: HttpFault = { kind: 'answer', status: 200, body: isForeign ? '{}' : (toBody?.(path, method) ?? '{"ok":true}') };
      const mayMisbehave = !isForeign && misbehaving.test(path);
      const fault = (mayMisbehave ? faults[Math.min(next++, faults.length - 1)] : undefined) ?? good;
      open.add(response);
      response.once('close', () => open.delete(response)); // finished, or its connection was closed
      const chunks: Buffer[] = [];
      const arrive = (): number => arrivals.push({ method, path, headers, body: Buffer.concat(chunks), isForeign });
      if (fault.kind === 'reset-upload') {
        arrive();
        request.once('data', () => request.socket.resetAndDestroy());
        return;
      }
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        arrive();
        misbehave(fault, { request, response, socket: request.socket, otherOrigin: toOrigin(other) });
      });
      request.on('error', () => {}); // the client has gone away
      response.on('error', () => {});
    };
  const server = createServer(serve(false));
  const other = createServer(serve(true));
  await Promise.all([server, other].map(async (one) => await new Promise<void>((done) => one.listen(0, '127.0.0.1', done))));
  const origin = toOrigin(server);
  return {
    origin,
    otherOrigin: toOrigin(other),
    arrivals,
    behave(...told) {
      [faults, next] = [told, 0];
      if (told[0]?.kind !== 'unreachable') return;
      server.close();
      server.closeAllConnections();
    },
    countOpen: () => open.size,
    async close() {
      await Promise.all(
        [server, other].map(async (one) => {
          const closed = new Promise<void>((done) => one.close(() => done()));
          one.closeAllConnections();
          await closed;
        }),
      );
    },
  };
}

function toOrigin(server: ReturnType<typeof createServer>): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly otherOrigin: string;
}

const json = { 'content-type': 'application/json' };

function misbehave(fault: HttpFault, { request, response, socket, otherOrigin }: Exchange): void {
  switch (fault.kind) {
    case 'answer':
      response.writeHead(fault.status, { ...json, ...fault.headers }).end(fault.body ?? '');
      return;
    case 'half-open':
    case 'reset-upload':
    case 'unreachable':
      return;
    case 'reset-before':
      socket.resetAndDestroy();
      return;
    case 'reset-after':
      response.writeHead(200, { ...json, 'content-length': 1000 });
      response.write('{"ok":', () => socket.resetAndDestroy());
      return;
    case 'cut':
      response.writeHead(200, { ...json, ...(fault.framing === 'length' ? { 'content-length': 1000 } : {}) });
      response.write('{"ok":true}', () => socket.end());
      return;
    case 'slow-head':
      drip(socket, 'HTTP/1.1 200 OK\r\nx-slow: ', () => socket);
      return;
    case 'slow-body':
      response.writeHead(200, json);
      drip(socket, '{"ok":"', () => response);
      return;
    case 'endless':
      response.writeHead(200, json);
      pour(response, Infinity);
      return;
    case 'huge':
      response.writeHead(200, { ...json, 'content-length': fault.bytes });
      pour(response, fault.bytes);
      return;
    case 'gzip-bomb':
      response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(bomb);
      return;
    case 'not-gzip':
      response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end('{"ok":true}');
      return;
    case 'not-http':
      socket.end('220 mail.example ESMTP ready\r\n');
      return;
    case 'redirect-loop':
      response.writeHead(fault.status, { location: request.url ?? '/' }).end();
      return;
    case 'redirect-away':
      response.writeHead(fault.status, { location: `${otherOrigin}${request.url}` }).end();
      return;
  }
}

/** A byte every 10 ms, for ever. */
function drip(socket: Socket, first: string, to: () => Socket | ServerResponse): void {
  to().write(first);
  const timer = setInterval(() => to().write('a'), 10);
  socket.once('close', () => clearInterval(timer));
}

function pour(response: ServerResponse, bytes: number): void {
  const chunk = Buffer.alloc(64 * 1024, 'a');
  let left = bytes;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      const part = left < chunk.length ? chunk.subarray(0, left) : chunk;
      left -= part.length;
      if (!response.write(part)) return void response.once('drain', more);
    }
    response.end();
  };
  more();
}

/** 256 MiB of one letter, packed: 32 times the same member, 254 KiB. */
const bomb = Buffer.concat(new Array<Buffer>(32).fill(gzipSync(Buffer.alloc(8 * 1024 * 1024, 'a'))));
