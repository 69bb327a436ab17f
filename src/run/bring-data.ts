/** Sources of a job that are not on this machine. */
import { inspectDataset, type DataFacts, type DatasetSources } from '../dataset/inspect.ts';
import type { DataWarning } from '../dataset/problems.ts';
import { createReadingReport } from '../dataset/reading-progress.ts';
import type { PartFacts } from '../dataset/tally.ts';
import { Failure } from '../errors.ts';
import type { Workspace } from './workspace.ts';

/** What brings sources here. */
export type Bringer = Pick<Workspace, 'bringData' | 'context'>;

/** Whether a source of a job is a dataset of the Hub, and no path. */
export function isHubSource(source: string): boolean {
  return source.startsWith('hub:');
}

export interface Brought {
  /** Paths of this machine, in the order of the sources. */
  readonly paths: readonly string[];
  /** Where files come from, by their paths. */
  readonly origins: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

/** The paths of sources, each of which is brought here first where it is not. @throws Failure as `bringData` */
export async function bringSources(sources: readonly string[], { bringData, context }: Bringer): Promise<Brought> {
  const paths: string[] = [];
  const origins = new Map<string, string>();
  const warnings = new Set<string>();
  for (const source of sources) {
    if (!isHubSource(source)) {
      paths.push(source);
      continue;
    }
    if (bringData === undefined) throw new Failure('job-file-invalid', `expected a file, found ${source}`);
    const { files, warning } = await bringData(source, context);
    for (const { path, origin } of files) {
      paths.push(path);
      origins.set(path, origin);
    }
    if (warning !== null) warnings.add(warning);
  }
  return { paths, origins, warnings: [...warnings] };
}

/**
 * Facts about the data of a job, wherever it is.
 * @throws Failure as `bringSources` and `inspectDataset`
 */
export async function inspectSources(sources: DatasetSources, bringer: Bringer): Promise<DataFacts> {
  const { train, validation, test } = sources;
  const origins = new Map<string, string>();
  const warnings: DataWarning[] = [];
  const bring = async (part: string, named: readonly string[]): Promise<readonly string[]> => {
    const brought = await bringSources(named, bringer);
    for (const [path, origin] of brought.origins) origins.set(path, origin);
    for (const message of brought.warnings) {
      if (warnings.every((other) => other.type !== 'reading' || other.message !== message)) {
        warnings.push({ type: 'reading', part, code: 'hub-cached', message });
      }
    }
    return brought.paths;
  };
  const tests: Record<string, readonly string[]> = {};
  const here = {
    train: await bring('train', train),
    validation: validation === null || 'fraction' in validation ? validation : await bring('validation', validation),
    test: tests,
  };
  for (const [name, named] of Object.entries(test)) tests[name] = await bring(`test/${name}`, named);
  const { report } = bringer.context;
  const onRead = report === undefined ? undefined : createReadingReport(report);
  const facts = await inspectDataset({ ...sources, ...here, onRead });
  const withOrigins = <Facts extends PartFacts | null>(part: Facts): Facts =>
    part && { ...part, sources: part.sources.map((one) => ({ ...one, ...(origins.has(one.path) && { origin: origins.get(one.path)! }) })) };
  return {
    ...facts,
    train: withOrigins(facts.train),
    validation: withOrigins(facts.validation),
    test: Object.fromEntries(Object.entries(facts.test).map(([name, part]) => [name, withOrigins(part)])),
    warnings: [...warnings, ...facts.warnings],
  };
}
