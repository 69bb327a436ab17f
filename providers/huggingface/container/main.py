"""What runs in the container (Python 3.10 and later).

Claims the attempt, fetches the rows, runs the engine and reads what it prints, finds failures that the engine hides
behind a status of 0, and brings the model to its repository in one commit. It ends with 0 only when the model is there.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

from engine_log import EngineLog
from events import record, report, write
from failures import KILLED, UNNAMED, explain, find_failure

CLAIM_BRANCH = "orchestrate-claim"
EVENTS_FILE = "orchestrate-events.jsonl"
WEIGHTS = re.compile(r"(model|adapter_model|pytorch_model)[\w.-]*\.(safetensors|bin)$")
HIDDEN_FILES = [
    "*.pt",
    "*.pth",
    "*.bin.tmp",
    "training_args.bin",
    "training_params.json",
    "autotrain-data/*",
    ".cache/*",
]
MOST_UPLOADS = 4


def main():
    try:
        job = json.loads(os.environ["ORCHESTRATE_JOB"])
        token = os.environ["HF_TOKEN"]
        os.chdir(tempfile.mkdtemp(prefix="orchestrate-"))
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        claim(api, job)
        fetch_rows(job, token)
        run_engine(job, token)
        check_output(job)
        upload(api, job, token)
    except Exception:  # noqa: BLE001 - whatever it was, the log and the event say it
        text = traceback.format_exc()
        write(text.rstrip())
        end(1, find_failure(text.splitlines(), is_failed=True))


def end(status, failure):
    report("training-failed", **failure)
    sys.exit(status)


def fail(what, status=1):
    end(status, explain(None, what))


def claim(api, job):
    """Only one can make the branch: a second job of the attempt, or one that was given up, trains nothing."""
    try:
        api.create_branch(job["output"]["repo"], branch=CLAIM_BRANCH, repo_type="model")
    except Exception as error:
        if getattr(getattr(error, "response", None), "status_code", None) != 409:
            raise
        message = (
            "this attempt is claimed already, by another job or because the program gave it up: nothing was trained"
        )
        hint = "see the other job, or submit again with --again"
        end(3, {"code": "request-refused", "message": message, "hint": hint})


def fetch_rows(job, token):
    from huggingface_hub import snapshot_download

    data = job["dataset"]
    files = [name for name in (data["train"], data.get("validation")) if name]
    snapshot_download(
        data["repo"],
        repo_type="dataset",
        revision=data["revision"],
        local_dir="data",
        allow_patterns=files,
        token=token,
    )
    shutil.rmtree("data/.cache", ignore_errors=True)


def run_engine(job, token):
    commands = {"trl": format_trl, "autotrain": format_autotrain, "transformers": format_transformers}
    command = commands[job["engine"]](job, token)
    report("engine-started", engine=job["engine"], task=job["task"])
    log = EngineLog(report, write, get_epochs(job["parameters"]), speaks_events=job["engine"] == "transformers")
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while chunk := child.stdout.read1(65536):
        log.feed(chunk)
    log.feed(b"", is_end=True)
    status = child.wait()
    for path in find_trainer_states()[-1:]:
        with open(path) as file:
            log.add_trainer_state(file.read())
    failure = find_failure(log.lines, log.goes_on, is_failed=status != 0)
    if status == 0 and failure is None:
        return report("training-finished", step=log.step)
    if status in (-9, 137):
        failure = failure or explain(KILLED, f"the engine ended with status {status}")
    failure = failure or explain(UNNAMED, " ".join([f"the engine ended with status {status};", *log.lines[-1:]]))
    end(status if 0 < status < 126 else 1, failure)


def get_epochs(parameters):
    epochs = parameters.get("epochs", parameters.get("num_train_epochs"))
    return epochs if epochs and parameters.get("max_steps", -1) == -1 else None


def find_trainer_states():
    """By step, the newest last."""
    paths = glob.glob("output/checkpoint-*/trainer_state.json")
    return sorted(paths, key=lambda path: int(re.search(r"checkpoint-(\d+)", path)[1]))


def format_trl(job, token):
    model = job["model"]
    command = ["trl", job["task"], "--model_name_or_path", model["base"], "--dataset_name", "data"]
    command += ["--dataset_train_split", "train", "--output_dir", "output"]
    if model.get("revision"):
        command += ["--model_revision", model["revision"]]
    if job["dataset"].get("validation"):
        command += ["--dataset_test_split", "validation"]
    for name, value in job["parameters"].items():
        if value is not None:
            values = value if isinstance(value, list) else [value]
            command += ["--" + name, *(str(one).lower() if isinstance(one, bool) else str(one) for one in values)]
    return command


def format_autotrain(job, token):
    import yaml
    from huggingface_hub import snapshot_download

    data, model, task = job["dataset"], job["model"], job["task"]
    base = model["base"]
    if model.get("revision"):
        base = snapshot_download(base, revision=model["revision"], local_dir="base", token=token)
    valid = None
    if task == "text-classification" and data.get("validation"):
        os.rename("data/" + data["validation"], "data/valid.jsonl")
        valid = "valid"
    columns = {"text_column": data["textColumn"]}
    if task == "text-classification":
        columns["target_column"] = data["labelColumn"]
    if task == "dpo":
        columns.update(rejected_text_column="rejected", prompt_text_column="prompt")
    source = {"path": "data", "train_split": "train", "valid_split": valid, "column_mapping": columns}
    source["chat_template"] = job["parameters"].get("chat_template")
    config = {
        "task": task if task == "text-classification" else "llm-" + task,
        "base_model": base,
        "project_name": "output",
        "log": "tensorboard",
        "backend": "local",
        "data": source,
        "params": job["parameters"],
        "hub": {"username": job["output"]["repo"].split("/")[0], "token": "${HF_TOKEN}", "push_to_hub": False},
    }
    with open("config.yml", "w") as file:
        yaml.safe_dump(config, file)
    return ["autotrain", "--config", "config.yml"]


def format_transformers(job, token):
    return [sys.executable, "-u", os.path.join(os.path.dirname(os.path.abspath(__file__)), "classifier.py")]


def check_output(job):
    files = os.listdir("output") if os.path.isdir("output") else []
    if not any(WEIGHTS.match(name) for name in files):
        fail("the engine ended with status 0 and left no weights")
    if "README.md" in files:
        return
    if job["engine"] == "autotrain":
        fail("the engine ended with status 0 and left no README.md, which it writes last")
    with open("output/README.md", "w") as file:
        tags = f"- {job['engine']}\n- {job['task']}"
        file.write(f"---\nbase_model: {job['model']['base']}\ntags:\n{tags}\n---\n\n# {job['output']['repo']}\n")


def upload(api, job, token):
    repository = job["output"]["repo"]
    for path in glob.glob("output/checkpoint-*/*"):
        if os.path.basename(path) != "trainer_state.json":
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    with open(os.path.join("output", EVENTS_FILE), "w") as file:
        file.writelines(line + "\n" for line in record)
    for tries in range(1, MOST_UPLOADS + 1):
        try:
            api.upload_folder(
                folder_path="output",
                repo_id=repository,
                repo_type="model",
                ignore_patterns=HIDDEN_FILES,
                commit_message="The tuned model",
            )
            return report("model-uploaded", repository=repository)
        except Exception as error:  # noqa: BLE001 - tried again, whatever it was
            write(f"upload {tries} of {MOST_UPLOADS} failed: {str(error).replace(token, '[secret]')}")
            if tries < MOST_UPLOADS:
                time.sleep(15 * tries)
    fail("the model could not be uploaded")


if __name__ == "__main__":
    main()
