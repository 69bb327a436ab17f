/** What a check of data can find: codes that never change, with their severity and meaning. `docs/data.md` lists them from here. */
import { Failure } from '../errors.ts';

/** An error refuses the data, a warning does not, and a note says what was read in another way than it is written. */
export type Severity = 'error' | 'warning' | 'note';

interface FindingKind {
  readonly severity: Severity;
  readonly meaning: string;
}

const error = (meaning: string): FindingKind => ({ severity: 'error', meaning });
const warning = (meaning: string): FindingKind => ({ severity: 'warning', meaning });
const note = (meaning: string): FindingKind => ({ severity: 'note', meaning });

export const findingKinds = {
  // files
  'file-kind': error('the file is a known other thing than rows: a workbook, an archive, a web page, a Git LFS pointer'),
  'file-format': error('the name of the file ends in none of the formats that are read'),
  encoding: error('bytes that are not valid text in the encoding of the file'),
  'utf-16': note('the file is UTF-16, and was read as such'),
  'line-ends': note('the lines of the file end in CR alone, as old Macs wrote them'),
  'mark-inside': note('a byte order mark inside the file, as where files were joined; it was left out'),
  'format-other': note('the file holds JSON or Parquet under another name'),
  'gzip-name': note('the file is packed by gzip, which its name does not say'),
  'hub-cached': warning('the Hub does not answer, and a dataset is taken as it was before'),
  // Parquet
  'parquet-invalid': error('a Parquet file that is damaged, cut short, encrypted, or packed in a way that is not read'),
  'column-kind': error('a column that the job reads holds dates, bytes or other things that no row can hold'),
  'column-left': note('columns that no row can hold, and that nobody reads, were left out'),
  'label-names': note('the numbers of a column were replaced by the names that the file has for them (ClassLabel of datasets)'),
  // JSON
  'json-invalid': error('a line is no valid JSON'),
  'json-python': error('a row in the notation of Python: quotes ’, None, True, False'),
  'json-number': error('NaN or Infinity, which JSON does not have'),
  'json-other': error('a line is valid JSON, but no object'),
  'json-list': note('the file is one JSON list; its items are the rows'),
  'json-spread': note('rows are written over several lines'),
  'json-comma': note('commas after rows'),
  'key-twice': error('a key stands twice in one object: nobody knows which value is meant'),
  // tables
  'table-delimiter': note('the fields are separated by another character than the name of the file says'),
  'table-quotes': note('quotes are text in this table, as in corpora that are written without quoting'),
  'table-invalid': error('quotes of a table that cannot be read'),
  'table-header': error('the first line does not name the columns'),
  'table-header-again': error('a row repeats the names of the columns, as where tables were joined'),
  'table-fields': error('a row has more or fewer fields than the header'),
  'table-empty-rows': note('rows of delimiters only, as spreadsheets write them; they were left out'),
  'column-missing': error('a column that the job reads is not there'),
  'column-twice': error('two columns have the name that the job reads'),
  'column-unnamed': note('columns of a table that have no name, or the name of another one, were left out of rows that are written again'),
  'column-alike': note('a column was taken whose name differs in capitals or white space'),
  // values
  'value-kind': error('a value of another kind than the column needs'),
  'value-blank': error('a text or label without a character'),
  'value-text': error('half of a surrogate pair, which UTF-8 cannot encode'),
  'value-number': error('a number that 64 bits cannot hold'),
  'value-depth': error('lists and objects too deep inside one another'),
  // conversations
  'chat-messages': error('no list of messages where one is needed'),
  'chat-role': error('a role that no service knows'),
  'chat-order': error('messages in an order that cannot be learned'),
  'chat-weight': error('a weight other than 0 and 1'),
  'chat-content': error('content that no service accepts'),
  'chat-answer': error('an answer that is empty, or none to learn'),
  'chat-tools': error('calls of tools, or tools, that no service accepts'),
  'chat-pair': error('a better and a worse answer that are the same, or have no common prompt'),
  'shape-converted': note('rows in another known form were converted to messages'),
  'shape-mixed': error('rows of two forms in one file'),
  'shape-target': error('a row that the form to which it shall be converted cannot hold'),
  'chat-template': error('a conversation that the chat template of the tokenizer refuses'),
  'chat-empty': warning('a question without a word'),
  'tools-unanswered': warning('calls of tools without an answer before the conversation goes on'),
  'tools-unknown': error('an answer of a tool that nobody called'),
  // what must not leave the house
  secret: error('a key, a token or a password in a row; `--allow-secrets`, or `data.allowSecrets` of the job, lets it pass'),
  'secret-allowed': note('rows with secrets that were allowed'),
  'personal-email': warning('rows with addresses of e-mail'),
  'personal-phone': warning('rows with numbers of telephones'),
  // tokens
  'tokens-none': error('rows of which no token is learned, within the limit of the model'),
  'answers-cut': warning('rows whose answer loses its end at the limit of the model'),
  'tokens-cut': warning('rows that are longer than the limit of the model, and are cut'),
  'tokens-about': note('how far the counts of tokens can be relied on'),
  // services
  'target-task': error('the service does not train rows of this kind'),
  'target-rows': error('the service needs more rows'),
  'target-size': error('a file that is larger than the service takes'),
  'target-images': warning('images, which are not priced, and which not every model takes'),
  'target-images-many': error('more images in a conversation than the service takes'),
  'target-images-pair': error('images in pairs of answers, which the service trains on text alone'),
  'target-tools': error('answers of tools that do not say which call they answer'),
  'target-weights': warning('weights of messages that the service does not follow'),
  'target-arguments': note('arguments of calls that are written as JSON text for the service'),
  // the whole
  unexpected: error('anything else'),
  'rows-missing': error('a part without rows'),
  'labels-one': error('fewer than two labels in the training rows'),
  'label-unknown': error('a label of held-out rows that no training row has'),
  'rows-twice': warning('rows that equal an earlier row of their part'),
  'rows-contradict': warning('rows with the input of another row and another label or answer'),
  'rows-leaked': warning('held-out rows with the input of a training row: their score says nothing'),
  'rows-leaked-alike': warning('held-out rows with the input of a training row but for case, white space, punctuation or Unicode form'),
  'rows-leaked-near': warning('held-out rows whose input is nearly that of a training row'),
  'rows-near': warning('rows whose input is nearly that of an earlier row of their part'),
  'near-off': note('nearly equal rows were not looked for, because there are too many rows'),
  'labels-alike': warning('labels that a person takes for one'),
  'labels-many': warning('nearly as many labels as rows'),
  'labels-missing': warning('labels that look like missing values'),
  'labels-uneven': warning('nearly all rows have one label'),
  'labels-rare': warning('labels with too few rows'),
} as const satisfies Record<string, FindingKind>;

export type FindingCode = keyof typeof findingKinds;

/** A failure of a row or a file that a report groups by its code. */
export function createDataFailure(
  finding: FindingCode,
  message: string,
  details: { readonly hint?: string; readonly error?: unknown } = {},
): Failure {
  return new Failure('data-invalid', message, { ...details, finding });
}

/** Something that was read in another way than it is written. */
export interface ReadNote {
  readonly code: FindingCode;
  /** The path of the file. */
  readonly source: string;
  /** The first line of it; null: the whole file. */
  readonly line: number | null;
  readonly message: string;
}

/** One line of a report. */
export interface Finding {
  readonly severity: Severity;
  readonly code: FindingCode;
  readonly message: string;
  /** What to do about it; null where the message says it. */
  readonly hint: string | null;
  /** How many rows have it; null where it is not about rows. */
  readonly rows: number | null;
  /** The first lines that have it. */
  readonly lines: readonly number[];
}
