"""gpu-step.py SHAPE: training steps of the shape in transformers, on the GPU where torch sees one. Prints {"ms": ..., "MB": ...}."""

import json
import resource
import statistics
import sys
import time

import torch
from transformers import BertConfig, BertForSequenceClassification

shape = json.loads(sys.argv[1])
sizes = shape["config"]
device = "cuda" if torch.cuda.is_available() else "cpu"
config = BertConfig(
    vocab_size=sizes["vocabSize"],
    hidden_size=sizes["hiddenSize"],
    num_hidden_layers=sizes["layers"],
    num_attention_heads=sizes["heads"],
    intermediate_size=sizes["intermediateSize"],
    max_position_embeddings=sizes["maxPositions"],
)
model = BertForSequenceClassification(config).to(device).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)
ids = torch.randint(1, sizes["vocabSize"], (shape["rows"], shape["tokens"]), device=device)
labels = torch.arange(shape["rows"], device=device) % 2
times = []
for _ in range(12):
    began = time.perf_counter()
    loss = model(input_ids=ids, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    loss.item()
    times.append(1000 * (time.perf_counter() - began))
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({"ms": statistics.median(times[2:]), "MB": memory}))
