"""replay.py: reads requests of JSON lines on standard input, answers each with a line: the log of an engine as the container reads it.

A request: {"lines": [...]} or {"path": ...}, "epochs", "chunk" (bytes at once), "speaksEvents", "state" (a trainer_state.json), "seconds"
(between two readings of the clock). The answer has the output in its order, lines as texts and events as objects.
"""

import itertools
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../../providers/huggingface/container"))

from engine_log import EngineLog
from failures import find_failure


def answer(request):
    output = []
    log = EngineLog(
        lambda kind, **fields: output.append({"type": kind, **fields}),
        output.append,
        request.get("epochs"),
        speaks_events=request.get("speaksEvents", False),
        clock=itertools.count(0, request.get("seconds", 60)).__next__,
    )
    if "path" in request:
        with open(request["path"], "rb") as file:
            data = file.read()
    else:
        data = "\n".join(request["lines"]).encode("utf-8", "surrogatepass")
    chunk = request.get("chunk") or max(1, len(data))
    for at in range(0, len(data), chunk):
        log.feed(data[at : at + chunk])
    log.feed(b"", is_end=True)
    if "state" in request:
        log.add_trainer_state(request["state"])
    hidden, failed = (find_failure(log.lines, log.goes_on, is_failed) for is_failed in (False, True))
    return {"output": output, "hidden": hidden, "failed": failed}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
