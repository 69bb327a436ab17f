"""Small random models of every family, as transformers saves them, with its figures; and what it makes of folders that the trainer wrote.

    python families.py make OUT [--only NAME,...]     models and figures: OUT/NAME/model, OUT/NAME/expected.json
    python families.py check OUT                      what it makes of OUT/*/saved-*, as JSON

Float32 on one thread with eager attention, without dropout; "noise" is the distance from the same computation in float64.
"""
import argparse
import json
import math
import os
import shutil
import sys
import warnings
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="", TOKENIZERS_PARALLELISM="false")
warnings.filterwarnings("ignore")
import tokenizers
import torch
import transformers
from peft import PeftModel
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerFast, Trainer

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)

texts = [
    "the film is good", "so dull and slow", "glad", "The film was not very bad, and not very good!", "a  café; 20 % naïve",
    "was it sad? no: it was fine, fast, and very very good and so on and on until the film was over", "dull",
]
pairs = [("the film is good", "is it not?"), ("so dull", ""), ("glad", "and fast, and not so very slow")]
corpus = texts + [text for pair in pairs for text in pair]
optimizer = dict(lr=1e-3, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01, schedule="constant", warmup=0.0, max_grad_norm=1.0)
labels = ["bad", "good", "neither"]

# ------------------------------------------------------------------ tokenizers


def wordpiece():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=80, special_tokens=special, show_progress=False))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends)
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")


def byte_level(special, processor):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=96, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processor(tokenizer)
    return tokenizer


roberta_tokens = dict(bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>")


def roberta_words():
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    return PreTrainedTokenizerFast(tokenizer_object=byte_level(special, lambda _: processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)), **roberta_tokens)


def modernbert_words():
    special = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"]
    template = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=byte_level(special, lambda _: template), unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")


def unigram():
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(corpus, trainers.UnigramTrainer(vocab_size=90, special_tokens=special, unk_token="<unk>", show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roberta_tokens)


# ------------------------------------------------------------------ cases

bert = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=90)
distil = dict(dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=90)
modern = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=24, max_position_embeddings=90,
              local_attention=8, cls_token_id=0, sep_token_id=1, bos_token_id=0, eos_token_id=1)

# name: (model_type, tokenizer, sizes). A name may have further words: how it is saved.
cases = {
    "bert": ("bert", wordpiece, bert),
    "bert sharded": ("bert", wordpiece, {**bert, "hidden_size": 20, "intermediate_size": 28}),
    "bert bfloat16": ("bert", wordpiece, bert),
    "bert bare": ("bert", wordpiece, bert),
    "bert masked": ("bert", wordpiece, bert),
    "distilbert": ("distilbert", wordpiece, {**distil, "n_layers": 3}),
    "distilbert bare sharded": ("distilbert", wordpiece, distil),
    "roberta": ("roberta", roberta_words, {**bert, "type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    "roberta masked": ("roberta", roberta_words, {**bert, "type_vocab_size": 2}),
    "roberta bare float16": ("roberta", roberta_words, {**bert, "type_vocab_size": 1}),
    "xlm-roberta": ("xlm-roberta", unigram, {**bert, "type_vocab_size": 1, "num_hidden_layers": 1, "layer_norm_eps": 1e-5}),
    "xlm-roberta sharded": ("xlm-roberta", unigram, {**bert, "type_vocab_size": 1}),
    "camembert": ("camembert", unigram, {**bert, "type_vocab_size": 1}),
    "electra": ("electra", wordpiece, {**bert, "embedding_size": 8}),
    "electra bare": ("electra", wordpiece, {**bert, "embedding_size": 16}),
    "electra masked bfloat16": ("electra", wordpiece, {**bert, "embedding_size": 12}),
    "modernbert": ("modernbert", modernbert_words, modern),
    "modernbert mean": ("modernbert", modernbert_words, {**modern, "classifier_pooling": "mean", "num_hidden_layers": 3, "norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True, "local_attention": 6}),
    "modernbert bare": ("modernbert", modernbert_words, modern),
    "modernbert masked sharded": ("modernbert", modernbert_words, modern),
}
kinds = {"bare": transformers.AutoModel, "masked": transformers.AutoModelForMaskedLM}
types = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def draw(model, seed):
    """Norms near 1, biases that are not 0: every term counts."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.named_parameters():
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("bias"):
            noise = 0.1 * noise
        elif "norm" in name.lower():
            noise = 1 + 0.1 * noise
        elif "embeddings" not in name:
            noise = noise / math.sqrt(tensor.shape[-1])
        tensor.data.copy_(noise)


def write_model(folder, words, seed, model_type, create_tokenizer, sizes):
    tokenizer = create_tokenizer()
    kind = next((kinds[word] for word in words if word in kinds), AutoModelForSequenceClassification)
    names = dict(id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)}) if kind is AutoModelForSequenceClassification else {}
    config = transformers.AutoConfig.for_model(model_type, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **sizes, **names)
    model = kind.from_config(config)
    draw(model, seed)
    dtype = next((types[word] for word in words if word in types), torch.float32)
    model.to(dtype).save_pretrained(folder, **(dict(max_shard_size="6KB") if "sharded" in words else {}))
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return tokenizer


def load(folder, dtype=torch.float32):
    attention = "eager" if dtype == torch.float32 else "sdpa"  # ModernBERT's eager attention computes in single precision whatever is asked for
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32)
    return model.to(dtype).eval()


def encode(tokenizer, rows):
    """Row by row, as the single call of a tokenizer reads an empty second text; then padded."""
    return pad(tokenizer, [tokenizer(*row) for row in rows])


def pad(tokenizer, encoded):
    return tokenizer.pad({name: [row[name] for row in encoded] for name in encoded[0]}, padding_side="right")


def tensors_of(batch, **more):
    return {**{name: torch.tensor(batch[name]) for name in batch}, **more}


# ------------------------------------------------------------------ figures


def digits(value):
    if isinstance(value, torch.Tensor):
        return digits(value.detach().tolist())
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {name: digits(one) for name, one in value.items()}
    return [digits(one) for one in value] if isinstance(value, list) else value


def norm(tensor):
    return tensor.detach().double().norm().item()


def take_step(folder, batch, answers, dtype):
    """Loss, gradients and what one step of AdamW makes of the parameters, without clipping."""
    model = load(folder, dtype)
    with_decay = set(Trainer.get_decay_parameter_names(None, model))
    named = dict(model.named_parameters())
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    loss = model(**tensors_of(batch, labels=torch.tensor(answers))).loss
    loss.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in named.items()}
    groups = [dict(params=[p for n, p in named.items() if (n in with_decay) == decays], weight_decay=optimizer["weight_decay"] * decays) for decays in (True, False)]
    torch.optim.AdamW(groups, lr=optimizer["lr"], betas=tuple(optimizer["betas"]), eps=optimizer["eps"], foreach=False).step()
    after = {name: parameter.detach() for name, parameter in named.items()}
    return dict(loss=loss.item(), before=before, grad=gradients, after=after, decay=with_decay, grad_norm=math.sqrt(sum(norm(g) ** 2 for g in gradients.values())))


def describe_step(folder, batch, answers):
    ours, exact = [take_step(folder, batch, answers, dtype) for dtype in (torch.float32, torch.float64)]
    params = {}
    for name, gradient in ours["grad"].items():
        largest = gradient.flatten().abs().topk(min(4, gradient.numel())).indices.tolist()
        error = (gradient - exact["grad"][name]).norm().item() / max(norm(exact["grad"][name]), 1e-30)
        moved = (ours["after"][name] - exact["after"][name]).abs().max().item()
        params[name] = dict(
            shape=list(gradient.shape),
            decay=name in ours["decay"],
            grad=dict(norm=norm(gradient), first4=gradient.flatten()[:4]),
            after=dict(norm=norm(ours["after"][name]), first4=ours["after"][name].flatten()[:4]),
            top=dict(index=largest, **{part: ours[part][name].flatten()[largest] for part in ("grad", "before", "after")}),
            noise=dict(grad_relative=error, after_max_abs=moved),
            unstable=dict(grad=error > 1e-3, after=moved > 0.02 * optimizer["lr"]),
        )
    noise = dict(loss=abs(ours["loss"] - exact["loss"]), grad_norm_relative=abs(ours["grad_norm"] - exact["grad_norm"]) / exact["grad_norm"])
    return dict(batch={**{name: batch[name] for name in batch}, "labels": answers}, loss=ours["loss"], grad_norm=ours["grad_norm"], noise=noise, params=params)


def make(out, name, seed):
    words = name.split(" ")[1:]
    place = out / name.replace(" ", "-")
    folder = place / "model"
    shutil.rmtree(place, ignore_errors=True)
    tokenizer = write_model(folder, words, seed, *cases[name])
    rows = [(text,) for text in texts] + pairs
    batch = encode(tokenizer, rows)
    expected = dict(rows=[list(row) for row in rows], input_ids=[list(tokenizer(*row)["input_ids"]) for row in rows])
    if not any(word in kinds for word in words):
        found = [load(folder, dtype)(**tensors_of(batch)).logits for dtype in (torch.float32, torch.float64)]
        expected |= dict(labels=labels, logits=found[0], noise=(found[0] - found[1]).abs().max().item(), optimizer=optimizer)
        if not any(word in types for word in words):
            few = encode(tokenizer, rows[2:8])
            expected["step"] = describe_step(folder, few, [i % len(labels) for i in range(6)])
    (place / "expected.json").write_text(json.dumps(digits(expected)) + "\n")
    print(f"{name}: {sum(file.stat().st_size for file in place.rglob('*')):,} B", file=sys.stderr, flush=True)


# ------------------------------------------------------------------ what the trainer wrote


def check(out):
    """The largest difference of the logits of each folder, and what the libraries found odd in it."""
    print(json.dumps([check_folder(path, json.loads(path.read_text())) for path in sorted(out.glob("*/saved-*.json"))]))


def check_folder(path, saved):
    place = path.parent
    load = AutoModelForSequenceClassification.from_pretrained
    model, told = load(place / saved["folder"], attn_implementation="eager", dtype=torch.float32, output_loading_info=True)
    odd = {part: sorted(map(str, names)) for part, names in told.items() if names}
    batch = tensors_of(encode(AutoTokenizer.from_pretrained(place / saved["folder"]), [tuple(row) for row in saved["rows"]]))
    names = [model.config.id2label[i] for i in range(model.config.num_labels)]
    answer = dict(name=f"{place.name}: {saved['folder']}", odd=odd, labels=names, logits=distance(model, batch, saved["logits"]))
    if saved["base"] is not None:  # the adapter in PEFT, on the model that it was trained on
        base = load(place / saved["base"], num_labels=len(saved["labels"]), attn_implementation="eager", dtype=torch.float32, ignore_mismatched_sizes=True)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            adapted = PeftModel.from_pretrained(base, place / saved["folder"] / "adapter")
        answer["odd"] |= {f"warning {i}": str(one.message) for i, one in enumerate(warned) if "adapter" in str(one.message)}
        answer["adapter"] = distance(adapted, batch, saved["logits"])
    return answer


def distance(model, batch, logits):
    with torch.no_grad():
        found = model.eval()(**batch).logits
    return (found - torch.tensor(logits)).abs().max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["make", "check"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default=",".join(cases))
    given = parser.parse_args()
    if given.command == "check":
        return check(given.out)
    for seed, name in enumerate(cases):
        if name in given.only.split(","):
            make(given.out, name, seed + 1)
    print(json.dumps(given.only.split(",")))


main()
