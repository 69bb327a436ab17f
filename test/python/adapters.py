"""Adapters and models in PEFT and transformers themselves; see adapters.ts.

python adapters.py save TASKS    makes adapters with PEFT, saves them, and answers rows with each
python adapters.py answer TASKS  answers rows with folders: adapters on their base model, or models

TASKS is a JSON file. Prints a JSON list with the logits of each task, and what the library warned of.
"""

import json
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForSequenceClassification


def load(folder, labels):
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=labels, dtype=torch.float32).eval()


def answer(model, rows):
    """Each row alone, so that nothing is padded."""
    with torch.no_grad():
        return [model(input_ids=torch.tensor([row])).logits[0].tolist() for row in rows]


def save(task):
    """An adapter whose matrices are random, as if it had been trained."""
    model = get_peft_model(load(task["base"], task["labels"]), LoraConfig(task_type="SEQ_CLS", **task["config"])).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(task["folder"])
    logits = answer(model, task["rows"])
    merged = model.merge_and_unload()
    return {"logits": logits, "merged": answer(merged, task["rows"])}


def answer_folder(task):
    """With the adapter on its base, or with the model; then as PEFT merges it."""
    if task.get("base") is None:
        return {"logits": answer(load(task["folder"], task["labels"]), task["rows"])}
    model = PeftModel.from_pretrained(load(task["base"], task["labels"]), task["folder"]).eval()
    logits = answer(model, task["rows"])
    trainable = PeftModel.from_pretrained(load(task["base"], task["labels"]), task["folder"], is_trainable=True)
    trained = sum(parameter.numel() for parameter in trainable.parameters() if parameter.requires_grad)
    return {"logits": logits, "merged": answer(model.merge_and_unload(), task["rows"]), "trained": trained}


def main(command, path):
    with open(path, encoding="utf-8") as file:
        tasks = json.load(file)
    results = []
    for task in tasks:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = (save if command == "save" else answer_folder)(task)
        said = {str(one.message) for one in caught if issubclass(one.category, UserWarning)}
        results.append({**result, "warnings": sorted(said)})
    print(json.dumps(results))


main(*sys.argv[1:])
