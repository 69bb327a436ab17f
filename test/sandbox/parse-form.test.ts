import { expect, test } from 'vitest';
import { parseForm } from '../../src/sandbox/parse-form.ts';

const type = 'multipart/form-data; boundary=xx';
const part = (head: string, content: string): string => `--xx\r\n${head}\r\n\r\n${content}\r\n`;

test('fields and files are told apart, and bytes stay as they are', async () => {
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  const bytes = Uint8Array.from({ length: 512 }, (_, i) => i % 256);
  form.set('file', new File([bytes, '\r\n--\r\n'], 'a "b"\n.jsonl'));
  const request = new Request('http://127.0.0.1/', { method: 'POST', body: form });
  const parsed = parseForm(Buffer.from(await request.arrayBuffer()), request.headers.get('content-type')!)!;
  expect([...parsed.fields]).toEqual([['purpose', 'fine-tune']]);
  const [[name, file]] = [...parsed.files] as [[string, { name: string; bytes: Buffer }]];
  expect([name, file.name]).toEqual(['file', 'a "b"\n.jsonl']);
  expect(file.bytes).toEqual(Buffer.concat([bytes, Buffer.from('\r\n--\r\n')]));
});

test('the file name may stand before the name, and the boundary in quotes', () => {
  const text = `${part('Content-Disposition: form-data; filename="f"; name="file"', 'abc')}--xx--\r\n`;
  const form = parseForm(Buffer.from(text), 'multipart/form-data; boundary="xx"');
  expect(form!.files.get('file')).toEqual({ name: 'f', bytes: Buffer.from('abc') });
});

test.each([
  ['no boundary', '--xx--', 'multipart/form-data'],
  ['no last delimiter', part('Content-Disposition: form-data; name="a"', 'b'), type],
  ['no first delimiter', 'abc', type],
  ['a part without a name', `${part('Content-Type: text/plain', 'b')}--xx--`, type],
  ['a part without an end of its head', '--xx\r\nabc\r\n--xx--', type],
])('what has %s is no form', (_, text, contentType) => {
  expect(parseForm(Buffer.from(text), contentType)).toBeNull();
});
