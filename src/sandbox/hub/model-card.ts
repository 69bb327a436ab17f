import type { Figures, JobTask } from './train-model.ts';

const notMeasures = /^eval_(?:runtime|.*_per_second)$/;

/** README.md of a trained classifier as AutoTrain writes it, with the last validation's figures. */
export function toClassifierCard(task: JobTask, figures: readonly Figures[]): string {
  const last = figures.findLast(({ values }) => Object.keys(values).some((name) => name.startsWith('eval_')));
  const measures = Object.entries(last?.values ?? {}).filter(([name]) => name.startsWith('eval_') && !notMeasures.test(name));
  const lines = measures.map(([name, value]) => `${name.slice('eval_'.length)}: ${value}`);
  return `
---
library_name: transformers
tags:
- autotrain
- text-classification
base_model: ${task.model.base}
widget:
- text: "I love AutoTrain"
---

# Model Trained Using AutoTrain

- Problem type: Text Classification

## Validation Metrics
${lines.length === 0 ? 'No validation metrics available' : lines.join('\n\n')}
`;
}

/** README.md of an adapter. */
export function toAdapterCard(task: JobTask): string {
  return `---\nlibrary_name: peft\nbase_model: ${task.model.base}\ntags:\n- ${task.engine}\n- ${task.task}\n---\n\n# ${task.output.repo}\n`;
}
