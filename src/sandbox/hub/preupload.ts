import { toAnswer, type Answer } from '../answer.ts';
import { findOwnRepo, findRevision } from './find-repo.ts';
import type { HubCall } from './hub-call.ts';
import { parseHubBody } from './parse-hub-body.ts';

interface Announced {
  readonly path: string;
  readonly size: number;
  /** The first bytes, in base64. */
  readonly sample: string;
}

/** Files that go to the storage whatever they hold. */
const storedNames =
  /\.(?:7z|arrow|bin|ckpt|gz|h5|joblib|model|msgpack|npy|npz|onnx|parquet|pb|pickle|pkl|pt|pth|safetensors|tar|tgz|zip)$|tfevents/;
const mostRegularBytes = 10 * 2 ** 20;

/** Says of each file whether it goes into the commit or to the storage. */
export function preupload(call: HubCall): Answer {
  const repo = findOwnRepo(call);
  const commit = findRevision(call, repo);
  const { files } = parseHubBody<{ files: readonly Announced[] }>(call, 'HubPreupload');
  return toAnswer({
    files: files.map((file) => ({
      path: file.path,
      uploadMode: isStored(file) ? 'lfs' : 'regular',
      shouldIgnore: false,
      oid: commit.files.get(file.path)?.oid ?? null,
    })),
    commitOid: commit.oid,
  });
}

/** Whether a file of this name goes to the storage whatever it holds. */
export function isStoredName(path: string): boolean {
  return storedNames.test(path);
}

function isStored({ path, size, sample }: Announced): boolean {
  return isStoredName(path) || size > mostRegularBytes || Buffer.from(sample, 'base64').includes(0);
}
