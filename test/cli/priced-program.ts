/** The program with a provider `priced`, whose target says in `options.usd` what it costs at most, and `unpriced`, which knows no prices. */
import { runCli } from '../../src/cli/main.ts';
import type { Provider, Quote } from '../../src/provider/provider.ts';
import { createMemoryService } from '../run/memory-provider.ts';

const unpriced: Provider = {
  ...createMemoryService().provider,
  id: 'unpriced',
  training: {
    ...createMemoryService().provider.training,
    translate: ({ spec: { options } }) => ({ request: { usd: options['usd'] ?? null }, notes: [] }),
    find: async () => await Promise.resolve([]),
    async prepare() {
      process.stderr.write('prepared\n');
      return await Promise.resolve({});
    },
  },
};

async function quote(request: unknown): Promise<Quote | null> {
  const { usd } = request as { usd: number | null };
  if (usd === null) return await Promise.resolve(null);
  return await Promise.resolve({ currency: 'USD', low: usd / 2, high: usd, source: 'list prices', asOf: '2026-01-01' });
}

process.exitCode = await runCli(process.argv.slice(2), {
  providers: [unpriced, { ...unpriced, id: 'priced', training: { ...unpriced.training, quote } }],
});
