import { Failure } from '../../errors.ts';

type Dispatcher = NonNullable<RequestInit['dispatcher']>;
type Dispatch = Dispatcher['dispatch'];

/** Where undici, which is Node's `fetch`, keeps the dispatcher of the process; documented with its `setGlobalDispatcher`. */
const globalDispatcher = Symbol.for('undici.globalDispatcher.1');

/**
 * The process's own way to the network, once. The standard has `fetch` send a request again, by itself, after an answer of status 421
 * (Fetch, "HTTP-network-or-cache fetch"): whoever pays for a request wants it sent once.
 */
export function createSendOnce(what: string): Dispatcher {
  let isSent = false;
  const dispatch: Dispatch = (options, handler) => {
    if (isSent) throw new Failure('response-invalid', `${what}: expected success, found 421: another server is responsible`);
    isSent = true;
    return (globalThis as unknown as Record<symbol, Dispatcher>)[globalDispatcher]!.dispatch(options, handler);
  };
  return { dispatch } as unknown as Dispatcher;
}
