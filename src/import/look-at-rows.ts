import { openDataset } from '../dataset/open-dataset.ts';
import { readJsonRows } from '../dataset/read-json-rows.ts';
import { isFailure, type Failure } from '../errors.ts';
import { parseLabelledChat } from './labelled-chat.ts';

export interface RowsLook {
  readonly task: 'chat' | 'preference';
  /** Where each row has one question under one system message and the answers are few and short, as labels are; else null. */
  readonly classes: Classes | null;
}

export interface Classes {
  /** All answers there are, sorted. */
  readonly labels: readonly string[];
  /** The system message of every row; null: there is none. */
  readonly system: string | null;
}

/** More different answers are no labels. */
const mostLabels = 50;

/** What the rows of a file for OpenAI are, by reading them; null where they are neither. A row that is broken is told when it is planned. */
export async function lookAtRows(path: string): Promise<RowsLook | null> {
  try {
    return await look(path);
  } catch (error) {
    if (isFailure(error, 'data-invalid')) return null;
    throw error;
  }
}

async function look(path: string): Promise<RowsLook | null> {
  const chat: RowsLook = { task: 'chat', classes: null };
  const labels = new Set<string>();
  const systems = new Set<string | null>();
  let rows = 0;
  for await (const { row } of readJsonRows(openDataset(path), path, refuse)) {
    if (Object.hasOwn(row, 'preferred_output')) return { task: 'preference', classes: null };
    if (!Array.isArray(row['messages'])) return null;
    const labelled = parseLabelledChat(row);
    if (labelled === null || labels.add(labelled.label).size > mostLabels || systems.add(labelled.system).size > 1) return chat;
    rows++;
  }
  if (rows === 0) return null;
  if (labels.size < 2 || labels.size > rows / 2) return chat;
  return { task: 'chat', classes: { labels: [...labels].sort(), system: [...systems][0] ?? null } };
}

function refuse(failure: Failure): never {
  throw failure;
}
