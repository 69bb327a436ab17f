import { statfsSync } from 'node:fs';

/** Magic numbers of statfs(2) for file systems of other machines, on which SQLite's locks and its shared memory do not hold. */
const names: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB2',
  0x5346414f: 'AFS',
};

/** The name of a network file system by its number, null for any other. */
export function toNetworkFileSystem(type: number): string | null {
  return names[type >>> 0] ?? null;
}

/** The network file system that a folder lies on, or null. */
export function findNetworkFileSystem(folder: string): string | null {
  return toNetworkFileSystem(statfsSync(folder).type);
}
