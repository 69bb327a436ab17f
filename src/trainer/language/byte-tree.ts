/** Tokens by the bytes that they write. */

/** By the number of a token, its bytes; a character of the text is a byte (Latin-1). Null for tokens that write nothing, such as special ones. */
export type TokenBytes = readonly (string | null)[];

/** Texts in a tree of their bytes: a node's children are linked from the first to the last. */
export interface ByteTree {
  /** By node; the root is node 0. */
  readonly bytes: Uint8Array;
  readonly children: Int32Array;
  /** The next child of the same parent; -1: there is none, and so for `children`. */
  readonly siblings: Int32Array;
  /** The tokens that end at a node. */
  readonly ends: readonly (readonly number[] | undefined)[];
}

/** @param ids the tokens that the tree holds; those without bytes are left out */
export function buildByteTree(tokens: TokenBytes, ids: readonly number[]): ByteTree {
  const sorted = ids.filter((id) => (tokens[id] ?? '') !== '').toSorted((a, b) => (tokens[a]! < tokens[b]! ? -1 : 1));
  const size = sorted.reduce((sum, id) => sum + tokens[id]!.length, 1);
  const bytes = new Uint8Array(size);
  const children = new Int32Array(size).fill(-1);
  const siblings = new Int32Array(size).fill(-1);
  const ends: (number[] | undefined)[] = [];
  let count = 1;
  let before = '';
  const path = [0]; // the nodes of the text before, with the root
  for (const id of sorted) {
    const text = tokens[id]!;
    let shared = 0;
    while (shared < before.length && text[shared] === before[shared]) shared++;
    let sibling = path[shared + 1] ?? -1;
    path.length = shared + 1;
    for (let at = shared; at < text.length; at++) {
      const node = count++;
      bytes[node] = text.charCodeAt(at);
      if (sibling === -1) children[path[at]!] = node;
      else siblings[sibling] = node;
      sibling = -1;
      path.push(node);
    }
    (ends[path.at(-1)!] ??= []).push(id);
    before = text;
  }
  return { bytes: bytes.slice(0, count), children: children.slice(0, count), siblings: siblings.slice(0, count), ends };
}
