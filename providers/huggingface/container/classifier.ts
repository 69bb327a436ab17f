/**
 * The engine `transformers`: trains a classifier with transformers' own Trainer (4.46 and later), for models that AutoTrain does not know and
 * for pairs of texts. Prints and writes what the other engines do: dicts of measures, `checkpoint-*`, and a README with "Validation Metrics".
 */
export const classifier = String.raw`import json, os
import numpy
from datasets import load_dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments

job = json.loads(os.environ['ORCHESTRATE_JOB'])
parameters, data, labels = dict(job['parameters']), job['dataset'], job['labels']
base, revision = job['model']['base'], job['model'].get('revision')
adapter, length = parameters.pop('adapter'), parameters.pop('max_length')
rank, alpha, dropout, targets = (parameters.pop('lora_' + name) for name in ('r', 'alpha', 'dropout', 'targets'))

tokenizer = AutoTokenizer.from_pretrained(base, revision=revision)
if tokenizer.pad_token is None:
    tokenizer.pad_token = tokenizer.eos_token
model = AutoModelForSequenceClassification.from_pretrained(
    base, revision=revision, num_labels=len(labels),
    id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)},
)
model.config.pad_token_id = tokenizer.pad_token_id
if adapter == 'head':
    for part in model.base_model.parameters():
        part.requires_grad = False
if adapter == 'lora':
    from peft import LoraConfig, TaskType, get_peft_model
    model = get_peft_model(model, LoraConfig(
        task_type=TaskType.SEQ_CLS, r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets,
    ))

def encode(rows):
    pair = data.get('pairColumn')
    texts = [rows[data['textColumn']]] + ([rows[pair]] if pair else [])
    encoded = tokenizer(*texts, truncation=True, max_length=length)
    encoded['labels'] = [labels.index(label) for label in rows[data['labelColumn']]]
    return encoded

def load(name):
    rows = load_dataset('json', data_files='data/' + name, split='train')
    return rows.map(encode, batched=True, remove_columns=rows.column_names)

def measure(prediction):
    found, true = numpy.argmax(prediction.predictions, axis=-1), prediction.label_ids
    scores = []
    for label in sorted(set(true.tolist()) | set(found.tolist())):
        both = int(numpy.sum((found == label) & (true == label)))
        all_of = int(numpy.sum(found == label)) + int(numpy.sum(true == label))
        scores.append(2 * both / all_of if all_of else 0.0)
    return {'accuracy': float(numpy.mean(found == true)), 'f1_macro': float(numpy.mean(scores))}

validation = load(data['validation']) if data.get('validation') else None
best = parameters.pop('load_best_model_at_end')
warmup = parameters.pop('warmup_ratio')
try:
    arguments = TrainingArguments(output_dir='output', warmup_ratio=warmup, **parameters)
    arguments.to_dict()
    name = {'warmup_ratio': warmup}
except TypeError:
    # transformers 5: a number of steps below 1 is a share of them.
    name = {'warmup_steps': warmup}
arguments = TrainingArguments(
    output_dir='output', report_to=[], save_total_limit=1, push_to_hub=False,
    eval_strategy='epoch' if validation is not None else 'no', save_strategy='epoch',
    load_best_model_at_end=best, metric_for_best_model='eval_loss', greater_is_better=False,
    **name, **parameters,
)
trainer = Trainer(
    model=model, args=arguments, train_dataset=load(data['train']), eval_dataset=validation,
    data_collator=DataCollatorWithPadding(tokenizer), compute_metrics=measure, processing_class=tokenizer,
)
trainer.train()
scores = trainer.evaluate() if validation is not None else {}
if adapter == 'lora':
    trainer.model = trainer.model.merge_and_unload()
trainer.save_model('output')
tokenizer.save_pretrained('output')
with open('output/README.md', 'w') as file:
    file.write('---\nlibrary_name: transformers\npipeline_tag: text-classification\nbase_model: ' + base + '\n---\n\n# ' + job['output']['repo'] + '\n')
    names = [key for key in scores if key.startswith('eval_') and not key.endswith(('_runtime', '_per_second'))]
    if names:
        file.write('\n## Validation Metrics\n' + ''.join('\n' + key[5:] + ': ' + str(scores[key]) + '\n' for key in names))
`;
