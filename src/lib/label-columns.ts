/** A column for each label: it says of every row whether the row has that label. */

/** What a table of columns calls the list of labels; the column of a single label is called by it and the label. */
const prefix = 'labels.';

/** Columns by our names, for labels with a column each, which is called as the label. */
export function nameLabelColumns(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label) => [`${prefix}${label}`, label]));
}

/** Whether one of our names is that of a label's own column. */
export function isLabelColumn(name: string): boolean {
  return name.startsWith(prefix);
}

/** The labels that have a column each, with the columns; null where there are none. */
export function findLabelColumns(columns: Readonly<Record<string, string>>): readonly { label: string; column: string }[] | null {
  const found = Object.entries(columns).filter(([name]) => isLabelColumn(name));
  return found.length === 0 ? null : found.map(([name, column]) => ({ label: name.slice(prefix.length), column }));
}

/** The columns that others are laid over: of two that say where labels are, those of `over` count. */
export function mergeColumns(columns: Readonly<Record<string, string>>, over: Readonly<Record<string, string>>): Record<string, string> {
  const isOfLabels = (name: string): boolean => name === 'labels' || isLabelColumn(name);
  const kept = Object.keys(over).some(isOfLabels) ? Object.entries(columns).filter(([name]) => !isOfLabels(name)) : Object.entries(columns);
  return { ...Object.fromEntries(kept), ...over };
}
