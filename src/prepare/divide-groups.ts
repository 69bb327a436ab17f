/** Dividing rows into parts so that rows of one group are in one part. */
import { createFingerprintSet } from '../dataset/fingerprints.ts';

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
   */
  divide(amounts: readonly Amount[]): Division;
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
    divide(amounts) {
      const parts = new Uint8Array(count);
      const inTurn = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => keys[a]! - keys[b]!);
      const groupsOf = counts.map(() => 0);
      for (let i = 0; i < count; i++) groupsOf[owners[i]!]!++;
      const free = [...groupsOf];
      for (const [i, amount] of amounts.entries()) {
        const wanted = 'rows' in amount ? amount.rows : Math.round(rows * amount.share);
        const needed = amounts.length - i; // groups that the stratum still has to give, and the one that it keeps
        const quotas = apportion(counts, wanted, (stratum) => free[stratum]! > needed);
        for (const at of inTurn) {
          const stratum = owners[at]!;
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
