"""Language models and their adapters in PEFT and transformers themselves; see language.ts.

python language.py TASKS

TASKS is a JSON file: a list of {"folder", "base", "texts", "prompt", "tokens"}, where `folder` is an adapter when there is a `base`. Prints
a JSON list: the log-probability of each token of each text, given those before it, and the tokens that follow on the prompt.
"""

import json
import sys
import warnings

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def score(model, text):
    """Each text alone, so that nothing is padded."""
    ids = torch.tensor([text])
    logits = torch.log_softmax(model(input_ids=ids).logits[0, :-1].double(), dim=-1)
    return logits.gather(1, ids[0, 1:, None])[:, 0].tolist()


def follow(model, prompt, tokens):
    """The most probable token again and again, without anything that is kept."""
    ids = list(prompt)
    for _ in range(tokens):
        ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def answer(task):
    base = task.get("base")
    model = load(task["folder"]) if base is None else PeftModel.from_pretrained(load(base), task["folder"]).eval()
    with torch.no_grad():
        return {
            "scores": [score(model, text) for text in task["texts"]],
            "tokens": follow(model, task["prompt"], task["tokens"]),
        }


def main(path):
    with open(path, encoding="utf-8") as file:
        tasks = json.load(file)
    results = []
    for task in tasks:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = answer(task)
        said = {str(one.message) for one in caught if issubclass(one.category, UserWarning)}
        results.append({**result, "warnings": sorted(said)})
    print(json.dumps(results))


main(*sys.argv[1:])
