import type { RunSpec } from '../job/run-spec.ts';
import type { Note } from '../provider/note.ts';

/**
 * What becomes of a job's prompt, and of its rows, on their way to a service that learns chats.
 * @param conversion how rows become chats; null: they are sent as they are, and the prompt is not used
 */
export function toPromptNotes(
  { task, prompt }: Pick<RunSpec, 'task' | 'prompt'>,
  conversion: string | null,
  why: { readonly converted: string; readonly unused: string },
): Note[] {
  const written = Object.entries(prompt ?? {}).filter(([, value]) => value !== undefined);
  if (conversion === null) {
    return written.map(([field, value]) => ({ type: 'unsupported', field: `prompt.${field}`, value, why: why.unused }));
  }
  return [
    { type: 'converted', field: 'task', from: task, value: conversion, why: why.converted },
    ...written.map(([field, value]): Note => ({ type: 'sent', field: `prompt.${field}`, value })),
  ];
}
