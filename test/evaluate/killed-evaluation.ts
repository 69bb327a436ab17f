import { createAnsweringService } from './answering-service.ts';
import { openSmallJob } from './small-job.ts';

/** Evaluates a small job, and is killed while it waits for the sixth answer: `node killed-evaluation.ts FOLDER`. */
const service = createAnsweringService({ say: () => 'yes' });
service.beforeAnswer = (answered) => {
  if (answered === 5) process.kill(process.pid, 'SIGKILL');
};
const orchestrator = await openSmallJob(process.argv[2]!, [service.provider]);
await orchestrator.evaluate('small', { maxUsd: 1 });
