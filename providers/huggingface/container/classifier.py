"""The engine `transformers`: trains a classifier with transformers' own Trainer (4.46 and later).

For models that AutoTrain does not know, and for pairs of texts. Reports each row of measures with its step, and leaves
the same files as the other engines: `checkpoint-*`, and a README with "Validation Metrics".
"""

import json
import os
import time

import numpy
from datasets import load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from events import PREFIX, write


class Reporter(TrainerCallback):
    """Prints rows of measures for `EngineLog`, which may hold NaN."""

    started = 0.0

    def on_train_begin(self, args, state, control, **kwargs):
        self.started = time.monotonic()

    def on_log(self, args, state, control, logs=None, **kwargs):
        values = {name: value for name, value in (logs or {}).items() if isinstance(value, (int, float))}
        seconds = time.monotonic() - self.started
        left = (state.max_steps - state.global_step) * seconds / max(1, state.global_step)
        row = {"step": state.global_step, "steps": state.max_steps, "epoch": state.epoch, "etaSeconds": round(left)}
        write(PREFIX + json.dumps({**row, "values": values}))


def main():
    job = json.loads(os.environ["ORCHESTRATE_JOB"])
    parameters, base = dict(job["parameters"]), job["model"]["base"]
    adapter, length = parameters.pop("adapter"), parameters.pop("max_length")
    lora = {name: parameters.pop("lora_" + name) for name in ("r", "alpha", "dropout", "targets")}
    tokenizer, model = load_model(job, adapter, lora)
    patience, threshold = (parameters.pop("early_stopping_" + name, None) for name in ("patience", "threshold"))
    train, validation = (load_rows(job, part, tokenizer, length) for part in ("train", "validation"))
    trainer = Trainer(
        model=model,
        args=build_arguments(parameters, validation is not None),
        train_dataset=train,
        eval_dataset=validation,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=measure,
        processing_class=tokenizer,
        callbacks=[Reporter()],
    )
    trainer.remove_callback(PrinterCallback)
    if patience is not None:
        trainer.add_callback(EarlyStoppingCallback(patience, threshold))
    trainer.train()
    scores = trainer.evaluate() if validation is not None else {}
    if adapter == "lora":
        trainer.model = trainer.model.merge_and_unload()
    trainer.save_model("output")
    tokenizer.save_pretrained("output")
    with open("output/README.md", "w") as file:
        file.write(format_card(base, job["output"]["repo"], scores))


def load_model(job, adapter, lora):
    base, revision, labels = job["model"]["base"], job["model"].get("revision"), job["labels"]
    tokenizer = AutoTokenizer.from_pretrained(base, revision=revision)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForSequenceClassification.from_pretrained(
        base,
        revision=revision,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    # transformers 5 keeps the type of the weights, and few models can be trained in 16 bits.
    model = model.float()
    model.config.pad_token_id = tokenizer.pad_token_id
    if adapter == "head":
        for part in model.base_model.parameters():
            part.requires_grad = False
    if adapter == "lora":
        from peft import LoraConfig, TaskType, get_peft_model

        config = LoraConfig(
            task_type=TaskType.SEQ_CLS,
            r=lora["r"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            target_modules=lora["targets"],
        )
        model = get_peft_model(model, config)
    return tokenizer, model


def load_rows(job, part, tokenizer, length):
    """The encoded rows of a part; None where the job has none."""
    data, labels = job["dataset"], job["labels"]
    if not data.get(part):
        return None

    def encode(rows):
        pair = data.get("pairColumn")
        texts = [rows[data["textColumn"]]] + ([rows[pair]] if pair else [])
        encoded = tokenizer(*texts, truncation=True, max_length=length)
        encoded["labels"] = [labels.index(label) for label in rows[data["labelColumn"]]]
        return encoded

    rows = load_dataset("json", data_files="data/" + data[part], split="train")
    return rows.map(encode, batched=True, remove_columns=rows.column_names)


def build_arguments(parameters, has_validation):
    best = parameters.pop("load_best_model_at_end")
    warmup = parameters.pop("warmup_ratio")
    comparison = {"metric_for_best_model": "eval_loss", "greater_is_better": False}
    comparison.update((name, parameters.pop(name)) for name in list(comparison) if name in parameters)
    try:
        TrainingArguments(output_dir="output", warmup_ratio=warmup, **parameters).to_dict()
        parameters["warmup_ratio"] = warmup
    except TypeError:
        # transformers 5: a number of steps below 1 is a share of them.
        parameters["warmup_steps"] = warmup
    return TrainingArguments(
        output_dir="output",
        report_to=[],
        save_total_limit=1,
        push_to_hub=False,
        disable_tqdm=True,
        eval_strategy="epoch" if has_validation else "no",
        save_strategy="epoch",
        load_best_model_at_end=best,
        **comparison,
        **parameters,
    )


def measure(prediction):
    found, true = numpy.argmax(prediction.predictions, axis=-1), prediction.label_ids
    scores = []
    for label in sorted(set(true.tolist()) | set(found.tolist())):
        both = int(numpy.sum((found == label) & (true == label)))
        all_of = int(numpy.sum(found == label)) + int(numpy.sum(true == label))
        scores.append(2 * both / all_of if all_of else 0.0)
    return {"accuracy": float(numpy.mean(found == true)), "f1_macro": float(numpy.mean(scores))}


def format_card(base, title, scores):
    names = [name for name in scores if name.startswith("eval_") and not name.endswith(("_runtime", "_per_second"))]
    lines = [f"\n{name[5:]}: {scores[name]}\n" for name in names]
    metrics = "\n## Validation Metrics\n" + "".join(lines) if lines else ""
    front = f"library_name: transformers\npipeline_tag: text-classification\nbase_model: {base}"
    return f"---\n{front}\n---\n\n# {title}\n{metrics}"


if __name__ == "__main__":
    main()
