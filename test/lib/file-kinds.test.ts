import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { findFileKind } from '../../src/lib/file-kinds.ts';

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 437955512\n`;
const zip = (name: string, content = ''): Buffer => {
  return Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(26), Buffer.from(name), Buffer.from(content)]);
};

test.each([
  [pointer, 'a Git LFS pointer to a file of 437,955,512 bytes', 'git lfs pull'],
  ['/annex/objects/SHA256E-s1--x.csv\n', 'a git-annex pointer', 'git annex get'],
  [gzipSync('{"a":1}'), 'a file packed by gzip', 'gunzip'],
  [zip('[Content_Types].xml'), 'a workbook of Excel (.xlsx)', 'as CSV'],
  [zip('mimetype', 'application/vnd.oasis.opendocument.spreadsheet'), 'a workbook of OpenDocument (.ods)', 'as CSV'],
  [zip('archive/data.pkl'), 'a model saved by PyTorch', 'save_pretrained'],
  [zip('train.csv'), 'a zip archive', 'unzip'],
  [Buffer.from('d0cf11e0a1b11ae1', 'hex'), 'a workbook or document of an old Office program', 'as CSV'],
  [Buffer.from('PAR1\x15\x04'), 'a Parquet file', 'of its own'],
  [Buffer.from('28b52ffd04', 'hex'), 'a file packed by zstd', 'zstd -d'],
  [Buffer.from('8004950a', 'hex'), 'a pickle of Python', 'to_json'],
  ['\n<!DOCTYPE html><html><title>Sign in</title>', 'a page of HTML ("Sign in")', 'Download'],
  ['\ufeff<html>', 'a page of HTML', 'Download'],
  ['Entry not found', 'the answer of a server that refused a download ("Entry not found")', 'Download'],
  [Buffer.concat([Buffer.alloc(257), Buffer.from('ustar')]), 'a tar archive', 'tar -xf'],
])('%# the first bytes of %j', (head, name, remedy) => {
  expect(findFileKind(Buffer.from(head))).toEqual({ name, remedy: expect.stringContaining(remedy) });
});

test.each(['', '{"text": "PAR1"}', 'text,label\n', '[{"a": 1}]', '<b>bold</b>,1\n', 'PKR\n', 'BZ\n', '\x80'])(
  '%j is none of them',
  (head) => {
    expect(findFileKind(Buffer.from(head))).toBeNull();
  },
);
