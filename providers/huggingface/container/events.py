"""Events in the form of the local trainer's: a line of JSON each, after a prefix.

Everything else that a container prints is for people; only these lines are read by the program that follows the job.
"""

import json
import sys
from datetime import datetime, timezone

PREFIX = "orchestrate-event "

#: The lines of all events so far, without the prefix: they are kept beside the model, for a log that is lost.
record = []


def report(kind, **fields):
    """Prints an event. Its number shows a reader which events it has already."""
    at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = json.dumps({"n": len(record) + 1, "at": at, "type": kind, **fields}, allow_nan=False)
    record.append(line)
    write(PREFIX + line)


def write(line):
    """Prints a line whole, whatever the encoding of the terminal is."""
    sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()
