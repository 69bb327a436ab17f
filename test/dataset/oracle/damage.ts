/** Faults that data files have, one at a time. */
type Fields = Record<string, unknown>;

export type RowDamage =
  | 'column missing'
  | 'column null'
  | 'text blank'
  | 'text a number'
  | 'half a pair'
  | 'label inexact'
  | 'label a list'
  | 'label blank'
  | 'label infinite'
  | 'label a word'
  | 'labels a number'
  | 'labels blank inside'
  | 'labels no list'
  | 'labels with another sign'
  | 'role unknown'
  | 'last of user'
  | 'answer empty'
  | 'weight 2'
  | 'weights 0'
  | 'part unknown'
  | 'image of assistant'
  | 'calls of user'
  | 'arguments a number'
  | 'tools an object'
  | 'messages empty'
  | 'messages a text'
  | 'too deep'
  | 'answer alone'
  | 'infinite'
  | 'other form'
  | 'same answers'
  | 'end of user'
  | 'prompt missing'
  | 'chosen a number';

export interface TextDamage {
  readonly kind:
    | 'cut'
    | 'more text'
    | 'comma inside'
    | 'Python'
    | 'NaN'
    | 'key twice'
    | 'key twice, spaced'
    | 'no object'
    | 'joined'
    | 'control character'
    | 'other bytes'
    | 'comma after'
    | 'mark inside'
    | 'blank lines'
    | 'bad escape'
    | 'bad number'
    | 'cut at the end'
    | 'more after the end'
    | 'field more'
    | 'field less'
    | 'quote inside'
    | 'text after quote'
    | 'open quote'
    | 'header again'
    | 'header missing'
    | 'column away'
    | 'empty rows'
    | 'column twice'
    | 'header in capitals';
  readonly pick: number;
}

/** The rows with one of them damaged. */
export function damageRow(rows: readonly Fields[], damage: RowDamage, pick: number): Fields[] {
  const at = pick % rows.length;
  return rows.map((row, i) => (i === at ? change(row, damage, pick >>> 4) : row));
}

function deep(levels: number): unknown {
  return levels === 0 ? 1 : [deep(levels - 1)];
}

/** The conversation of a row, wherever it stands. */
function changeMessages(row: Fields, to: (messages: Fields[]) => unknown): Fields {
  const name = ['messages', 'conversations', 'chosen', 'preferred_output'].find((one) => Array.isArray(row[one]));
  return name === undefined
    ? {
        ...row,
        messages: to([
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ]),
      }
    : { ...row, [name]: to(row[name] as Fields[]) };
}

function changeOne(row: Fields, pick: number, fields: Fields): Fields {
  return changeMessages(row, (messages) =>
    messages.map((message, i) => (i === pick % messages.length ? { ...message, ...fields } : message)),
  );
}

function change(row: Fields, damage: RowDamage, pick: number): Fields {
  const names = Object.keys(row);
  const name = names[pick % names.length]!;
  switch (damage) {
    case 'column missing':
      return Object.fromEntries(Object.entries(row).filter(([one]) => one !== name));
    case 'column null':
      return { ...row, [name]: null };
    case 'text blank':
      return { ...row, text: ['', ' ', '\u00a0\u3000'][pick % 3] };
    case 'text a number':
      return { ...row, text: pick };
    case 'half a pair':
      return 'text' in row ? { ...row, text: 'a\ud83d' } : changeOne(row, pick, { content: 'x\udc00y', value: '\ud800' });
    case 'label inexact':
      return { ...row, label: 2 ** 53 };
    case 'label a list':
      return { ...row, label: ['a'] };
    case 'label blank':
      return { ...row, label: [' ', ''][pick % 2] };
    case 'label infinite':
      return { ...row, label: 'INFINITE' }; // no number for a regression; see damageText for 1e999
    case 'label a word':
      return { ...row, label: ['0x10', 'one', '1_000', 'Infinity', '1,5', '5.'][pick % 6] };
    case 'labels a number':
      return { ...row, labels: [1, true, { a: 1 }, null][pick % 4] };
    case 'labels blank inside':
      return { ...row, labels: ['a', [' ', '', null, ['b']][pick % 4]] };
    case 'labels no list':
      return { ...row, labels: ['[a, b]', "['a' 'b']", "['a]", '[1, 2'][pick % 4] };
    case 'labels with another sign':
      return { ...row, labels: ['a|b', 'a;b', 'a,b', 'a,b|c;d'][pick % 4] };
    case 'role unknown':
      return changeOne(row, pick, { role: 'robot', from: 'robot' });
    case 'last of user':
      return changeMessages(row, (messages) => [...messages, { role: 'user', content: 'and?', from: 'human', value: 'and?' }]);
    case 'answer empty':
      return changeMessages(row, (messages) => [...messages.slice(0, -1), { role: 'assistant', content: '\n', from: 'gpt', value: ' ' }]);
    case 'weight 2':
      return changeOne(row, pick, { weight: [2, 0.5, '1', true, null][pick % 5] });
    case 'weights 0':
      return changeMessages(row, (messages) =>
        messages.map((message) => (message['role'] === 'assistant' ? { ...message, weight: 0 } : message)),
      );
    case 'part unknown':
      return changeOne(row, pick, { content: [{ type: ['input_text', 'video', 'refusal', 'file'][pick % 4], text: 'a' }] });
    case 'image of assistant':
      return changeOne(row, pick, {
        role: 'assistant',
        content: [{ type: 'image_url', image_url: { url: ['https://a/b', 'c:/a.png'][pick % 2] } }],
      });
    case 'calls of user':
      return changeOne(row, pick, { tool_calls: [{ function: { name: 'f', arguments: '{}' } }] });
    case 'arguments a number':
      return changeMessages(row, (messages) => [
        ...messages,
        { role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: 1 } }] },
      ]);
    case 'tools an object':
      return { ...row, tools: [{ a: 1 }, 'x', [1]][pick % 3] };
    case 'messages empty':
      return changeMessages(row, () => []);
    case 'messages a text':
      return changeMessages(row, () => 'hello');
    case 'too deep':
      return changeOne(row, pick, { x: deep(97 + (pick % 5)) });
    case 'answer alone':
      return changeMessages(row, (messages) => messages.slice(-1));
    case 'infinite':
      return changeOne(row, pick, { x: 'INFINITE' });
    case 'other form':
      return 'messages' in row
        ? { prompt: 'a', completion: 'b' }
        : {
            messages: [
              { role: 'user', content: 'a' },
              { role: 'assistant', content: 'b' },
            ],
          };
    case 'same answers':
      return 'chosen' in row ? { ...row, rejected: row['chosen'] } : { ...row, non_preferred_output: row['preferred_output'] };
    case 'end of user':
      return changeMessages(row, (messages) => messages.map((message) => ({ ...message, role: 'user' })));
    case 'prompt missing':
      return Object.fromEntries(Object.entries(row).filter(([one]) => one !== 'prompt' && one !== 'input'));
    case 'chosen a number':
      return { ...row, chosen: 1 };
  }
}

/** The lines or items of a file with one of them damaged. @param delimiter of a table, whose first line is the header; null: rows of JSON */
export function damageText(lines: readonly string[], damage: TextDamage | null, delimiter: string | null): string[] {
  const written = lines.map((line) => line.replaceAll('"INFINITE"', '1e999'));
  if (damage === null) return written;
  const { kind, pick } = damage;
  const first = delimiter === null || written.length === 1 ? 0 : 1;
  const at = first + (pick % (written.length - first));
  const line = written[at]!;
  const replace = (...by: string[]): string[] => [...written.slice(0, at), ...by, ...written.slice(at + 1)];
  const asHeader = (header: string): string[] => [header, ...written.slice(1)];
  const rest = pick >>> 4;
  switch (kind) {
    case 'cut':
      return replace(line.slice(0, 1 + (rest % line.length)));
    case 'cut at the end':
      return [...written.slice(0, -1), written.at(-1)!.slice(0, 1 + (rest % written.at(-1)!.length))];
    case 'more text':
      return replace(`${line}${[' x', ' 1', '}', '""'][rest % 4]}`);
    case 'more after the end':
      return [...written.slice(0, -1), `${written.at(-1)!}]\n x`];
    case 'comma inside':
      return replace(line.replace(/\}\s*$/, ',}'));
    case 'Python':
      return replace(`{'text': 'a', 'label': None}`);
    case 'NaN':
      return replace(line.replace(/\}\s*$/, ', "x": NaN}'));
    case 'key twice':
      return replace(line.replace(/\}\s*$/, ', "k": {"\\u0061": 1, "a": [2]}}'));
    case 'key twice, spaced':
      return replace(line.replace(/\}\s*$/, ', "b\\\\": 1, "b\\\\"  : 2}'));
    case 'no object':
      return replace(['1', '"a"', 'null', 'true', '-0.5e1'][rest % 5]!);
    case 'joined':
      return replace(`${line}${line}`);
    case 'control character':
      return replace(line.replace(/"/, '"\u0001'));
    case 'comma after':
      return replace(`${line}, `);
    case 'mark inside':
      return replace(`\ufeff${line}`);
    case 'blank lines':
      return replace('', line, delimiter === null ? ' \t' : '');
    case 'bad escape':
      return replace(line.replace(/"/, `"${['\\x41', '\\u12', "\\'"][rest % 3]}`));
    case 'bad number':
      return replace(line.replace(/\}\s*$/, `, "n": ${['01', '.5', '1.', '+1', '0x1', '1e'][rest % 6]}}`));
    case 'field more':
      return replace(`${line}${delimiter}${['x', '', ' '][rest % 3]}`);
    case 'field less':
      return replace(line.slice(0, line.lastIndexOf(delimiter!)));
    case 'quote inside':
      return replace(`a "b"${line}`);
    case 'text after quote':
      return replace(`"a"b${line}`);
    case 'open quote':
      return replace(`"${line}`);
    case 'header again':
      return [...replace(line), written[0]!];
    case 'header missing':
      return written.length > 1 ? written.slice(1) : written;
    case 'column away':
      return asHeader(written[0]!.replace('text', 'body'));
    case 'column twice':
      return asHeader(written[0]!.replace('other', ['text', 'label', 'other'][rest % 3]!));
    case 'header in capitals':
      return asHeader(written[0]!.replace('text', ' Text').replace('label', 'LABEL'));
    case 'empty rows':
      return [...written, delimiter!.repeat(rest % 5), ` ${delimiter!}`];
    case 'other bytes':
      return written;
  }
}
