/** Files that are a known other thing than their name says, told by their first bytes. */

export interface FileKind {
  /** With its article: "a workbook of Excel". */
  readonly name: string;
  /** What to do about it, one sentence. */
  readonly remedy: string;
}

/** So many first bytes tell every kind. */
export const headBytes = 4096;

const fromSpreadsheet = 'Open it in the spreadsheet and save the sheet as CSV.';
const unpack = (command: string): string => `Unpack it first, such as with \`${command}\`.`;
const fromPython = 'Write its rows as JSON Lines, such as with DataFrame.to_json(path, orient="records", lines=True) in pandas.';
const download = 'Download the file itself: open its address in a browser to see what is asked for.';

/** Kinds that begin with fixed bytes, written as latin1; the longer of two alike comes first. */
const beginnings: readonly (readonly [bytes: string, name: string, remedy: string])[] = [
  ['PAR1', 'a Parquet file', 'Rows are read from it where it is a file of its own, not packed once more.'],
  ['\xd0\xcf\x11\xe0', 'a workbook or document of an old Office program', fromSpreadsheet],
  ['ARROW1', 'an Arrow file', fromPython],
  ['FEA1', 'a Feather file', fromPython],
  ['ORC', 'an ORC file', fromPython],
  ['Obj\x01', 'an Avro file', fromPython],
  ['SQLite format 3\0', 'an SQLite database', 'Export a table of it: `sqlite3 -csv -header FILE "select * from TABLE"`.'],
  ['%PDF-', 'a PDF document', 'Rows cannot be read from it: look for the data as CSV or JSON.'],
  ['{\\rtf', 'a document in Rich Text Format', 'Save it as plain text.'],
  ['\x28\xb5\x2f\xfd', 'a file packed by zstd', unpack('zstd -d FILE')],
  ['\xfd7zXZ\0', 'a file packed by xz', unpack('xz -dk FILE')],
  ['BZh', 'a file packed by bzip2', unpack('bzip2 -dk FILE')],
  ['\x04\x22\x4d\x18', 'a file packed by lz4', unpack('lz4 -d FILE')],
  ['7z\xbc\xaf\x27\x1c', 'a 7-Zip archive', unpack('7z x FILE')],
  ['Rar!', 'a RAR archive', unpack('unrar x FILE')],
  ['\x1f\x8b', 'a file packed by gzip', unpack('gunzip -k FILE')],
  ['\x93NUMPY', 'an array of NumPy', fromPython],
  ['\x89HDF', 'an HDF5 file', fromPython],
  ['\x89PNG', 'an image (PNG)', 'Rows of text were expected: check the path.'],
  ['\xff\xd8\xff', 'an image (JPEG)', 'Rows of text were expected: check the path.'],
];

/** What the first bytes of a file say it is; null where they name none of these kinds. */
export function findFileKind(head: Uint8Array): FileKind | null {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, headBytes)).toString('latin1');
  const pointer = findPointer(text);
  if (pointer !== null) return pointer;
  if (/^PK(\x03\x04|\x05\x06)/.test(text)) return findZipKind(text);
  const known = beginnings.find(([bytes]) => text.startsWith(bytes));
  if (known !== undefined) return { name: known[1], remedy: known[2] };
  if (text.slice(257, 262) === 'ustar') return { name: 'a tar archive', remedy: unpack('tar -xf FILE') };
  if (/^\x80[\x02-\x05]/.test(text)) return { name: 'a pickle of Python', remedy: fromPython };
  if (/^(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body|\?xml|!--)/i.test(text)) {
    const title = /<title[^>]*>\s*([^<]{1,60})/i.exec(text)?.[1]?.trim();
    return { name: `a page of HTML${title === undefined || !/^[\x20-\x7e]+$/.test(title) ? '' : ` ("${title}")`}`, remedy: download };
  }
  const answer =
    /^(?:Entry not found|404: Not Found|Repository not found|Invalid username or password|Access to \S+ \S+ is restricted|Too Many Requests)/i;
  const found = answer.exec(text.trim());
  return found === null ? null : { name: `the answer of a server that refused a download ("${found[0]}")`, remedy: download };
}

/** A text that stands for a large file in a Git repository. */
function findPointer(text: string): FileKind | null {
  if (text.startsWith('version https://git-lfs.github.com/spec/')) {
    const size = /^size (\d+)$/m.exec(text)?.[1];
    const of = size === undefined ? '' : ` to a file of ${Number(size).toLocaleString('en')} bytes`;
    return {
      name: `a Git LFS pointer${of}`,
      remedy: 'The clone has the pointer only: run `git lfs pull` in its folder, or download the file itself.',
    };
  }
  if (!/^\/?(?:\.\.\/)*(?:\.git\/)?annex\/objects\//.test(text)) return null;
  return { name: 'a git-annex pointer', remedy: 'The clone has the pointer only: run `git annex get` in its folder.' };
}

/** The names of the first members of an archive stand at its beginning. */
function findZipKind(text: string): FileKind {
  if (text.includes('application/vnd.oasis.opendocument.spreadsheet')) {
    return { name: 'a workbook of OpenDocument (.ods)', remedy: fromSpreadsheet };
  }
  if (/PK\x03\x04[^]{26}(?:xl\/|\[Content_Types\]\.xml|_rels\/|docProps\/)/.test(text)) {
    return { name: 'a workbook of Excel (.xlsx)', remedy: fromSpreadsheet };
  }
  if (/data\.pkl/.test(text))
    return { name: 'a model saved by PyTorch', remedy: 'Save it with save_pretrained(folder), which writes safetensors.' };
  return { name: 'a zip archive', remedy: unpack('unzip FILE') };
}
