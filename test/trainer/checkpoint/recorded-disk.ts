/**
 * Records what a program does to the disk, so that what a power cut may leave of it can be made: everything that was flushed, and of the
 * rest any part. Names in a folder last once the folder was flushed, bytes of a file once the file was.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join } from 'node:path';

/** A name in a folder that comes, goes, or moves within its folder; bytes of a file; or a flush of a folder or a file. */
type Operation =
  | {
      readonly type: 'name';
      readonly owner: number;
      readonly added: string | null;
      readonly removed: string | null;
      readonly node: number;
      readonly isFolder: boolean;
    }
  | { readonly type: 'bytes'; readonly owner: number; readonly at: number; readonly bytes: Buffer }
  | { readonly type: 'flush'; readonly owner: number };

export interface Recording {
  readonly operations: Operation[];
  /** Called before each operation; throws in its place where it throws. */
  before: (count: number) => void;
  stop(): void;
}

/** Begins to record what happens below `root` by way of node:fs. */
export function recordDisk(root: string): Recording {
  const recording: Recording = { operations: [], before: () => {}, stop };
  const { mkdirSync, openSync, closeSync, writeSync, fsyncSync, renameSync, rmSync } = fs;
  const original = { mkdirSync, openSync, closeSync, writeSync, fsyncSync, renameSync, rmSync };
  const nodes = new Map<string, number>([[root, 0]]);
  const files = new Map<number, { path: string; at: number }>();
  const folders = new Set<string>();
  let count = 0;
  let next = 1;

  const isBelow = (path: unknown): path is string => typeof path === 'string' && path.startsWith(root);
  const reach = (): void => recording.before(++count);
  const rename = (path: string, added: string | null, removed: string | null): void => {
    recording.operations.push({
      type: 'name',
      owner: nodes.get(dirname(path))!,
      added,
      removed,
      node: nodes.get(path)!,
      isFolder: folders.has(path),
    });
  };
  const create = (path: string, isFolder: boolean): void => {
    if (isFolder) folders.add(path);
    nodes.set(path, next++);
    rename(path, basename(path), null);
  };
  Object.assign(fs, {
    mkdirSync: ((path, options) => {
      if (!isBelow(path) || fs.existsSync(path)) return original.mkdirSync(path, options);
      reach();
      const made = original.mkdirSync(path, options);
      create(path, true);
      return made;
    }) satisfies typeof fs.mkdirSync,
    openSync: (path: string, flags: string, mode?: number) => {
      if (isBelow(path) && flags !== 'r') reach();
      const file = original.openSync(path, flags, mode);
      if (!isBelow(path)) return file;
      if (flags === 'w' && !nodes.has(path)) create(path, false);
      files.set(file, { path, at: 0 });
      return file;
    },
    closeSync: (file: number) => {
      files.delete(file);
      original.closeSync(file);
    },
    writeSync: (file: number, bytes: Uint8Array, offset: number, length: number) => {
      const open = files.get(file);
      if (open === undefined) return original.writeSync(file, bytes, offset, length);
      reach();
      const written = original.writeSync(file, bytes, offset, length);
      const copy = Buffer.from(bytes.subarray(offset, offset + written));
      recording.operations.push({ type: 'bytes', owner: nodes.get(open.path)!, at: open.at, bytes: copy });
      open.at += written;
      return written;
    },
    fsyncSync: (file: number) => {
      const open = files.get(file);
      if (open !== undefined) reach();
      original.fsyncSync(file);
      if (open !== undefined) recording.operations.push({ type: 'flush', owner: nodes.get(open.path)! });
    },
    renameSync: (from: string, to: string) => {
      if (!isBelow(from)) return original.renameSync(from, to);
      reach();
      original.renameSync(from, to);
      rename(from, basename(to), basename(from));
      for (const [path, node] of nodes) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        nodes.delete(path);
        nodes.set(join(to, path.slice(from.length)), node);
      }
    },
    rmSync: (path: string, options: fs.RmOptions) => {
      const isThere = isBelow(path) && fs.existsSync(path);
      if (isThere) reach();
      const names = isThere && fs.statSync(path).isDirectory() ? fs.readdirSync(path) : [];
      original.rmSync(path, options);
      for (const gone of isThere ? [...names.map((name) => join(path, name)), path] : []) {
        rename(gone, null, basename(gone));
        nodes.delete(gone);
      }
    },
  });
  syncBuiltinESMExports();
  function stop(): void {
    Object.assign(fs, original);
    syncBuiltinESMExports();
  }
  return recording;
}

/** Which of the first `count` operations a power cut may undo: those that no flush came after. */
export function toVolatile(operations: readonly Operation[]): number[] {
  return operations.flatMap((operation, i) => {
    const isSafe = operations.slice(i).some((later) => later.type === 'flush' && later.owner === operation.owner);
    return operation.type === 'flush' || isSafe ? [] : [i];
  });
}

/** Writes into `target` what these operations leave, those of `lost` left out. */
export function replayDisk(operations: readonly Operation[], lost: ReadonlySet<number>, target: string): void {
  const folders = new Map([[0, new Map<string, number>()]]);
  const contents = new Map<number, Buffer>();
  const toFolder = (node: number): Map<string, number> => folders.get(node) ?? folders.set(node, new Map()).get(node)!;
  for (const [i, operation] of operations.entries()) {
    if (lost.has(i) || operation.type === 'flush') continue;
    if (operation.type === 'bytes') {
      const before = contents.get(operation.owner) ?? Buffer.alloc(0);
      const after = Buffer.alloc(Math.max(before.length, operation.at + operation.bytes.length)); // zeros where bytes were lost
      before.copy(after);
      operation.bytes.copy(after, operation.at);
      contents.set(operation.owner, after);
      continue;
    }
    const names = toFolder(operation.owner);
    if (operation.removed !== null) names.delete(operation.removed);
    if (operation.added !== null) names.set(operation.added, operation.node);
    if (operation.isFolder) toFolder(operation.node);
  }
  const write = (node: number, path: string): void => {
    const names = folders.get(node);
    if (names !== undefined) {
      fs.mkdirSync(path, { recursive: true });
      for (const [name, child] of names) write(child, join(path, name));
    } else fs.writeFileSync(path, contents.get(node) ?? '');
  };
  write(0, target);
}
