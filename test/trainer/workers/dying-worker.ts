/** Stands in for a worker: it opens, and ends without a word when it is asked for something. */
import { parentPort } from 'node:worker_threads';

parentPort!.on('message', () => process.exit(1));
parentPort!.postMessage({ type: 'opened' });
