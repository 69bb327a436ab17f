"""
The same work in PyTorch, for bench/pytorch.ts. Prints one line of JSON.

    pytorch.py job MODEL TRAIN TEST OUT [--threads N] [--group]   the sample job with transformers' Trainer
    pytorch.py step TASK                                          training steps of a BERT of one shape, on one thread
"""

import argparse
import json
import os
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
import transformers
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)


def read_rows(path):
    with open(path, encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def run_job(model_folder, train_path, test_path, out, threads, group):
    """Reads, trains, saves, and answers the test rows: what a command of orchestrate does, but for its second model and its comparison."""
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    special = {f"{name.lower()}_token": f"[{name}]" for name in ["PAD", "CLS", "SEP", "UNK", "MASK"]}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{model_folder}/tokenizer.json", **special)
    train, test = read_rows(train_path), read_rows(test_path)
    labels = sorted({row["label"] for row in train})

    def encode(rows):
        encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=64)
        return [
            {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels.index(row["label"])}
            for ids, row in zip(encoded["input_ids"], rows)
        ]

    transformers.set_seed(42)
    model = AutoModelForSequenceClassification.from_pretrained(model_folder, num_labels=len(labels), dtype=torch.float32)
    arguments = TrainingArguments(
        output_dir=out,
        num_train_epochs=3,
        per_device_train_batch_size=16,
        per_device_eval_batch_size=64,
        learning_rate=5e-4,
        lr_scheduler_type="linear",
        warmup_steps=0.1,  # a share of all steps
        weight_decay=0.01,
        max_grad_norm=1.0,
        seed=42,
        train_sampling_strategy="group_by_length" if group else "random",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=encode(train),
        eval_dataset=encode(test),
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda found: {"accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())},
    )
    trainer.train()
    trainer.save_model(out)
    return {"accuracy": trainer.evaluate()["eval_accuracy"]}


def run_step(task):
    """Mean processor time of the second half of the steps, in milliseconds."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    sizes = task["config"]
    config = BertConfig(
        vocab_size=sizes["vocabSize"],
        hidden_size=sizes["hiddenSize"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["intermediateSize"],
        max_position_embeddings=sizes["maxPositions"],
        num_labels=2,
    )
    model = BertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, fused=True)
    ids = torch.randint(0, config.vocab_size, (task["rows"], task["tokens"]))
    labels = torch.arange(task["rows"]) % 2
    mask = torch.ones_like(ids)

    def take_step():
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()

    half = task["steps"] // 2
    for _ in range(half):
        take_step()
    began = time.process_time()
    for _ in range(task["steps"] - half):
        take_step()
    return {"meanStep": 1000 * (time.process_time() - began) / (task["steps"] - half), "version": torch.__version__}


parser = argparse.ArgumentParser()
commands = parser.add_subparsers(dest="command", required=True)
job = commands.add_parser("job")
for name in ["model", "train", "test", "out"]:
    job.add_argument(name)
job.add_argument("--threads", type=int, default=1)
job.add_argument("--group", action="store_true")
commands.add_parser("step").add_argument("task", type=json.loads)
given = parser.parse_args()
if given.command == "job":
    answer = run_job(given.model, given.train, given.test, given.out, given.threads, given.group)
else:
    answer = run_step(given.task)
print(json.dumps(answer))
