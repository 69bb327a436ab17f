/** The measures by which models can be compared, each with the task whose answers it judges; the first one of a task is its default. They are named here and nowhere else. */
export const measureTasks = {
  accuracy: 'classification',
  micro_f1: 'multi-label',
  mean_absolute_error: 'regression',
  exact_match: 'chat',
  field_f1: 'chat',
  valid_json: 'chat',
} as const;

export type Measure = keyof typeof measureTasks;

/** The measures of a task as a job file names them, the default first; `none` where an answer is neither right nor wrong. */
export function getMeasureNames(task: string): string[] {
  const names = Object.entries(measureTasks).flatMap(([name, ofTask]) => (ofTask === task ? [name] : []));
  return names.length > 0 ? names : ['none'];
}

export function isMeasure(name: string): name is Measure {
  return Object.hasOwn(measureTasks, name);
}

/** `"accuracy" for classification, …`: the defaults, for documents and messages. */
export function formatDefaultMeasures(): string {
  const tasks = [...new Set(Object.values(measureTasks))];
  return tasks.map((task) => `"${getMeasureNames(task)[0]}" for ${task}`).join(', ');
}
