/** The program with a provider `deaf` whose submission never ends, whatever is asked of it meanwhile. */
import { runCli } from '../../src/cli/main.ts';
import { createMemoryService } from '../run/memory-provider.ts';

const provider = {
  ...createMemoryService().provider,
  id: 'deaf',
  training: {
    ...createMemoryService().provider.training,
    async create(): Promise<never> {
      process.stderr.write('creating\n');
      return await new Promise<never>(() => void setInterval(() => {}, 1000));
    },
  },
};
process.exitCode = await runCli(process.argv.slice(2), { providers: [provider] });
