"""What the readers of GGUF make of exported models: PyPI's gguf, and llama.cpp itself (PyPI's xllamacpp), beside transformers on the folder.

python gguf.py OUT        for each OUT/NAME with model/, model.gguf and texts.json, as JSON
"""

import json
import os
import re
import sys
import urllib.request
import warnings
from pathlib import Path

# This file is called like the package: its own folder must not come first.
sys.path = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).parent.resolve()]
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="", TOKENIZERS_PARALLELISM="false")
warnings.filterwarnings("ignore")
import gguf
import numpy
import tokenizers
import torch
import transformers
import xllamacpp
from safetensors.torch import load_file

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)


def interleave(weight, heads):
    """The two halves of each head side by side, as llama.cpp's converter does it."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def find_different(place, config):
    """Tensors whose bytes are not those of the folder in float16 (float32 for vectors), under gguf's own names; and how many there are."""
    reader = gguf.GGUFReader(place / "model.gguf")
    found = {tensor.name: tensor for tensor in reader.tensors}
    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == config.model_type)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    different = []
    weights = {name: weight for path in place.glob("model/*.safetensors") for name, weight in load_file(path).items()}
    for name, weight in weights.items():
        numbers = weight.to(torch.float32).numpy()
        if config.model_type == "llama" and (part := re.search(r"\.([qk])_proj\.", name)):
            numbers = interleave(numbers, config.num_attention_heads if part[1] == "q" else config.num_key_value_heads)
        numbers = numbers.astype(numpy.float16 if numbers.ndim > 1 else numpy.float32)
        tensor = found.pop(names.get_name(name, try_suffixes=(".weight", ".bias")), None)
        if (
            tensor is None
            or list(reversed(tensor.shape)) != list(numbers.shape)
            or tensor.data.tobytes() != numbers.tobytes()
        ):
            different.append(name)
    return different + [name for name in found if name != "rope_freqs.weight"], len(weights)


class Server:
    """llama.cpp with one model; its address answers as llama-server does."""

    def __init__(self, path):
        settings = xllamacpp.CommonParams()
        settings.model.path = str(path)
        settings.n_ctx, settings.n_parallel, settings.warmup, settings.verbosity = 256, 1, False, 0
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
        self.server = xllamacpp.Server(settings)

    def ask(self, path, body):
        request = urllib.request.Request(
            self.server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def check(place):
    model = transformers.AutoModelForCausalLM.from_pretrained(place / "model", dtype=torch.float32).eval()
    different, tensors = find_different(place, model.config)
    tokenizer = tokenizers.Tokenizer.from_file(str(place / "model" / "tokenizer.json"))
    server = Server(place / "model.gguf")
    texts = json.loads((place / "texts.json").read_text())
    read = [
        server.ask("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]
        for text in texts["read"]
    ]
    wanted = [tokenizer.encode(text).ids for text in texts["read"]]
    distance, seen, greedy = 0.0, 0, []
    for text in texts["answered"]:
        ids = tokenizer.encode(text).ids
        for _ in range(8):
            with torch.no_grad():
                scores = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
            body = {
                "prompt": ids,
                "n_predict": 1,
                "temperature": -1,
                "n_probs": 5,
                "return_tokens": True,
                "cache_prompt": False,
            }
            answer = server.ask("/completion", body)
            for one in answer.get("completion_probabilities", []):  # not where a token is half a character
                seen += 1
                distance = max(
                    distance, *(abs(top["logprob"] - scores[top["id"]].item()) for top in one["top_logprobs"])
                )
            best = scores.argmax().item()
            greedy.append([best, answer["tokens"][0]])
            ids.append(best)
    return {
        "name": place.name,
        "tensors": tensors,
        "different": different,
        "texts": len(texts["read"]),
        "misread": [text for text, ours, theirs in zip(texts["read"], read, wanted) if ours != theirs],
        "distance": distance,
        "seen": seen,
        "greedy": greedy,
    }


print(json.dumps([check(place) for place in sorted(Path(sys.argv[1]).iterdir())]))
