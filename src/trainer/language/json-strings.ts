/** Strings of JSON, byte by byte: UTF-8 (RFC 3629) without control characters, and escapes, whose surrogates come in pairs. */

/** Where in a character a string is, each with the fewest bytes that are missing from that character. */
const missing = {
  text: 0,
  // In UTF-8.
  last: 1,
  two: 2,
  three: 3,
  'after-e0': 2,
  'after-ed': 2,
  'after-f0': 3,
  'after-f4': 3,
  // In an escape.
  escape: 1,
  hex4: 4,
  hex3: 3,
  hex2: 2,
  hex1: 1,
  'after-d': 3,
  // In a pair of surrogates.
  'high-hex2': 8,
  'high-hex1': 7,
  'low-escape': 6,
  'low-u': 5,
  'low-d': 4,
  'low-c': 3,
} as const;

export type StringPart = keyof typeof missing;

/** Bytes from `first` to `last` that lead to a part. */
type Step = readonly [first: number, last: number, to: StringPart];

const toHexSteps = (to: StringPart): Step[] => [
  [0x30, 0x39, to],
  [0x41, 0x46, to],
  [0x61, 0x66, to],
];
const toByteSteps = (bytes: string, to: StringPart): Step[] =>
  Array.from(bytes, (char): Step => [char.charCodeAt(0), char.charCodeAt(0), to]);

const steps: Readonly<Record<StringPart, readonly Step[]>> = {
  text: [
    [0x5c, 0x5c, 'escape'],
    [0x20, 0x7f, 'text'],
    [0xc2, 0xdf, 'last'],
    [0xe0, 0xe0, 'after-e0'],
    [0xed, 0xed, 'after-ed'],
    [0xe1, 0xef, 'two'],
    [0xf0, 0xf0, 'after-f0'],
    [0xf1, 0xf3, 'three'],
    [0xf4, 0xf4, 'after-f4'],
  ],
  last: [[0x80, 0xbf, 'text']],
  two: [[0x80, 0xbf, 'last']],
  three: [[0x80, 0xbf, 'two']],
  'after-e0': [[0xa0, 0xbf, 'last']],
  'after-ed': [[0x80, 0x9f, 'last']],
  'after-f0': [[0x90, 0xbf, 'two']],
  'after-f4': [[0x80, 0x8f, 'two']],
  escape: [...toByteSteps('"\\/bfnrt', 'text'), ...toByteSteps('u', 'hex4')],
  hex4: [...toByteSteps('dD', 'after-d'), ...toHexSteps('hex3')],
  hex3: toHexSteps('hex2'),
  hex2: toHexSteps('hex1'),
  hex1: toHexSteps('text'),
  'after-d': [[0x30, 0x37, 'hex2'], ...toByteSteps('89abAB', 'high-hex2')],
  'high-hex2': toHexSteps('high-hex1'),
  'high-hex1': toHexSteps('low-escape'),
  'low-escape': toByteSteps('\\', 'low-u'),
  'low-u': toByteSteps('u', 'low-d'),
  'low-d': toByteSteps('dD', 'low-c'),
  'low-c': toByteSteps('cdefCDEF', 'hex2'),
};

/** The part after one more byte, which is not the closing quote; null where no string goes on so. A character is complete at `text`. */
export function continueString(part: StringPart, byte: number): StringPart | null {
  return tables.get(part)![byte]!;
}

/** The fewest bytes that are missing from the character. */
export function countMissingBytes(part: StringPart): number {
  return missing[part];
}

/** Whether this is inside a character of several bytes, and not in an escape. */
export function isInsideCharacter(part: StringPart): boolean {
  return steps[part][0]![0] >= 0x80;
}

/** By part and byte. The first step that holds a byte counts. */
const tables = new Map(
  Object.entries(steps).map(([part, all]) => [
    part as StringPart,
    Array.from({ length: 256 }, (_, byte) => all.find(([first, last]) => byte >= first && byte <= last)?.[2] ?? null),
  ]),
);
