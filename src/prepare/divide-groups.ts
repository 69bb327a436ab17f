/** Dividing rows into parts so that rows of one group are in one part. */
import { createFingerprintSet } from '../dataset/fingerprints.ts';
import { formatLabelList, readLabelList } from '../dataset/label-list.ts';

/** How much of the rows a part gets: a share of them, or so many. */
export type Amount = { readonly share: number } | { readonly rows: number };

export interface Groups {
  /** Counts a row. Of a group, all rows belong to the stratum of its first one. @param group a fingerprint, which also decides its turn */
  add(group: number, stratum: string): void;
  readonly rows: number;
  /** Different groups. */
  readonly count: number;
  /** How many rows each stratum has. */
  readonly strata: ReadonlyMap<string, number>;
  /**
   * Chooses the part of each group: 0 is what the amounts leave, and part i is that of amounts[i - 1]. Each stratum gives its share to each
   * part: a group to every part while it has enough groups, the rest last to part 0, of which it keeps at least one.
   * @param join the stratum that takes the rows of one; absent: each stays alone
   */
  divide(amounts: readonly Amount[], join?: (stratum: string) => string): Division;
}

export interface Division {
  /** Null: the group was never added. */
  getPart(group: number): number | null;
}

/** Some 50 bytes a group. Groups take their turn in the order of their fingerprints. */
export function createGroups(): Groups {
  const set = createFingerprintSet();
  const names = new Map<string, number>();
  const counts: number[] = [];
  let keys = new Float64Array(1024);
  let sizes = new Uint32Array(1024);
  let owners = new Uint32Array(1024);
  let count = 0;
  let rows = 0;
  const grow = (): void => {
    const grown = { keys: new Float64Array(2 * count), sizes: new Uint32Array(2 * count), owners: new Uint32Array(2 * count) };
    grown.keys.set(keys);
    grown.sizes.set(sizes);
    grown.owners.set(owners);
    ({ keys, sizes, owners } = grown);
  };
  const toIndex = (group: number): number => set.getPlace(group).line - 1;
  return {
    add(group, stratum) {
      let owner = names.get(stratum);
      if (owner === undefined) names.set(stratum, (owner = counts.push(0) - 1));
      rows++;
      if (set.add(group, { source: '', line: count + 1 })) {
        if (count === keys.length) grow();
        keys[count] = group;
        owners[count] = owner;
        count++;
      }
      const index = toIndex(group);
      sizes[index]!++;
      counts[owners[index]!]!++;
    },
    get rows() {
      return rows;
    },
    get count() {
      return count;
    },
    get strata() {
      return new Map([...names].map(([name, owner]) => [name, counts[owner]!]));
    },
    divide(amounts, join = (stratum) => stratum) {
      const joined = new Map<string, number>();
      const toStratum = Uint32Array.from(names.keys(), (name) => {
        const stratum = join(name);
        if (!joined.has(stratum)) joined.set(stratum, joined.size);
        return joined.get(stratum)!;
      });
      const sizesOf = Array.from(joined, () => 0);
      for (const [owner, stratum] of toStratum.entries()) sizesOf[stratum]! += counts[owner]!;
      const parts = new Uint8Array(count);
      const inTurn = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => keys[a]! - keys[b]!);
      const free = Array.from(joined, () => 0); // groups without a part
      for (let i = 0; i < count; i++) free[toStratum[owners[i]!]!]!++;
      for (const [i, amount] of amounts.entries()) {
        const wanted = 'rows' in amount ? amount.rows : Math.round(rows * amount.share);
        const needed = amounts.length - i; // groups that the stratum still has to give, and the one that it keeps
        const quotas = apportion(sizesOf, wanted, (stratum) => free[stratum]! > needed);
        for (const at of inTurn) {
          const stratum = toStratum[owners[at]!]!;
          if (parts[at] !== 0 || sizes[at]! > quotas[stratum]! || free[stratum]! <= needed) continue;
          parts[at] = i + 1;
          quotas[stratum]! -= sizes[at]!;
          free[stratum]!--;
        }
      }
      return { getPart: (group) => (set.has(group) ? parts[toIndex(group)]! : null) };
    },
  };
}

/**
 * Divides a number among strata by their sizes (the largest remainders round up), but gives at least 1 to each that may give, taken from the
 * largest quotas.
 */
export function apportion(sizes: readonly number[], wanted: number, mayGive: (stratum: number) => boolean): number[] {
  const all = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map((size) => (all === 0 ? 0 : (size * wanted) / all));
  const quotas = exact.map(Math.floor);
  const missing = wanted - quotas.reduce((sum, quota) => sum + quota, 0);
  const byRemainder = sizes.map((_, i) => i).sort((a, b) => exact[b]! - quotas[b]! - (exact[a]! - quotas[a]!) || a - b);
  for (const i of byRemainder.slice(0, missing)) quotas[i]!++;
  for (const i of sizes.keys()) {
    if (quotas[i]! > 0 || !mayGive(i)) continue;
    const largest = quotas.reduce((best, quota, j) => (quota > quotas[best]! ? j : best), 0);
    if (quotas[largest]! <= 1) break;
    quotas[largest]!--;
    quotas[i] = 1;
  }
  return quotas;
}

/**
 * Where rows have several labels, a stratum is a combination of them, and most combinations are rare: those with too few rows for each part
 * count as rows of their rarest label, so that each label has its share in each part.
 * @param strata combinations as `formatLabelList` writes them, with their rows
 */
export function joinRareCombinations(strata: ReadonlyMap<string, number>, amounts: readonly Amount[]): (stratum: string) => string {
  const labelsOf = new Map([...strata.keys()].map((stratum) => [stratum, readLabelList(stratum) ?? []]));
  const rowsOf = new Map<string, number>();
  let all = 0;
  for (const [stratum, rows] of strata) {
    all += rows;
    for (const label of labelsOf.get(stratum)!) rowsOf.set(label, (rowsOf.get(label) ?? 0) + rows);
  }
  const leastShare = Math.min(...amounts.map((amount) => ('rows' in amount ? amount.rows / all : amount.share)));
  return (stratum) => {
    if (strata.get(stratum)! * leastShare >= 1) return stratum;
    const [rarest] = [...labelsOf.get(stratum)!].sort((a, b) => rowsOf.get(a)! - rowsOf.get(b)! || (a < b ? -1 : 1));
    return rarest === undefined ? stratum : formatLabelList([rarest]);
  };
}
