import { refuseHub } from './hub-error.ts';

export interface EncodedFile {
  readonly path: string;
  readonly content: string;
  readonly encoding?: 'base64' | 'utf-8';
}

export function decodeContent({ content, encoding }: EncodedFile): Buffer {
  return Buffer.from(content, encoding === 'utf-8' ? 'utf8' : 'base64');
}

/** A path as git takes it; refuses what would lead out of the repository. */
export function toSafePath(path: string): string {
  const parts = path.split('/');
  if (parts.some((part) => ['', '.', '..', '.git'].includes(part)) || path.includes('\0'))
    refuseHub(400, 'Invalid path in repo', { more: { path } });
  return path;
}
