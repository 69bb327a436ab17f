"""Reads what an engine prints: AutoTrain 0.8, TRL, and transformers 4 and 5 below them.

Measures come as dicts of Python, without their step. AutoTrain prints each twice: first as a record with all digits,
then as transformers does, with a rounded epoch. Steps come from progress bars. Both streams are one here, so that bars,
records and dicts share a line, separated by carriage returns and by the sequence that moves the cursor up.
"""

import ast
import codecs
import json
import math
import re
import time
from collections import namedtuple

from events import PREFIX

Row = namedtuple("Row", "values quoted is_autotrain")
PIECE_END = re.compile(r"[\r\n]|\x1b\[A")
COLOUR = re.compile(r"\x1b\[[\d;]{0,20}[A-Za-z]")
RANK = re.compile(r"\[(?:rank|default)\d{1,4}\]: ?")  # of torchrun
LONGEST_PIECE = 4000

# ` 12%|█▏  | 6/50 [00:01<00:09,  4.50it/s]`. A bar with words before the percentage counts files, rows or shards.
STEPS_BAR = re.compile(
    r"\s*\d{1,3}%\|[^|]*\|\s*(\d{1,12})/(\d{1,12}) \[[\d:]{1,20}<([\d:?]{1,20}),\s*[\d.?]{1,20}(?:it/s|s/it)"
)
ANY_BAR = re.compile(r"[^%{]{0,200}?\d{1,3}%\|[^|]{0,200}\|[^\[\]]{0,60}\[[^\]]{0,200}\]?")
# What is kept of bars: it ends the message of an exception.
BAR_LINE = "====="
BAR_PERIOD = 10  # seconds between two reports of bars alone

DICT = re.compile(r"""\{(?=['"])(?:[^{}'"]|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")*\}""")
MEASURE = re.compile(r"(?:loss|learning_rate|grad_norm|(?:eval|train)_.+)$")
NAME = re.compile(r"(?!eval_$)[A-Za-z][\w./@-]{0,99}$", re.ASCII)
AUTOTRAIN_RECORD = re.compile(r"\|\s*autotrain\.trainers\.common:on_log:\d+ - $")
TRAINED = re.compile(r"Training completed\.$|Finished training, saving model")

MOST_LINES = 20_000
MOST_WARNINGS = 20


class EngineLog:
    """Passes lines on without their bars, and reports measures, progress and warnings.

    `epochs`: passes over the rows that the engine makes, None where it goes by steps.
    `speaks_events`: whether the engine is our own script, which reports exact rows.
    """

    def __init__(self, report, write, epochs=None, speaks_events=False, clock=time.monotonic):
        self.report = report
        self.write = write
        self.epochs = epochs
        self.speaks_events = speaks_events
        self.clock = clock
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.rest = ""
        # What failures are found in: the last lines, and the last of them that shows that the training went on.
        self.lines = []
        self.goes_on = -1
        self.steps = None
        self.step = None
        self.eta = None
        # The newest bar of another length: an evaluation's, or that of a training which began anew.
        self.other_bar = None
        self.epoch = None
        self.loss = None
        # After its last step. What is measured then is the model that was kept, which can be an earlier one.
        self.is_over = False
        # AutoTrain's last record, until transformers has repeated it.
        self.unrepeated = None
        self.warned = set()
        self.reported = set()
        self.without_step = {}
        self.bar_at = -math.inf
        self.progress = None

    def feed(self, data, is_end=False):
        """Reads more bytes, which may end anywhere."""
        *pieces, self.rest = PIECE_END.split(self.rest + self.decoder.decode(data, is_end))
        if is_end or len(self.rest) > 1_000_000:
            pieces.append(self.rest)
            self.rest = ""
        for piece in pieces:
            try:
                self.read(piece)
            except Exception as error:  # noqa: BLE001 - what cannot be read must not end a training
                self.warn(f"a line of the engine cannot be read: {error!r}")

    def read(self, piece):
        text = COLOUR.sub("", piece)
        if self.speaks_events and text.startswith(PREFIX):
            return self.add_exact_row(json.loads(text[len(PREFIX) :]))
        bar = STEPS_BAR.match(text)
        if bar:
            self.add_bar(int(bar[1]), int(bar[2]), parse_interval(bar[3]))
        any_bar = ANY_BAR.match(text)
        if any_bar:
            text = text[any_bar.end() :]
            self.keep(BAR_LINE)
        if not text.strip():
            return
        # No line of an engine can pass for an event.
        self.write(" " + text if text.startswith(PREFIX) else text.rstrip())
        rank = RANK.match(text)
        self.keep(text[rank.end() if rank else 0 :][:LONGEST_PIECE].rstrip())
        rows = parse_rows(text)
        if rows or TRAINED.search(text):
            self.goes_on = len(self.lines) - 1
        for row in rows:
            self.add_row(row)

    def keep(self, line):
        """Keeps a line for `find_failure`."""
        if line == BAR_LINE and self.lines[-1:] == [line]:
            return
        self.lines.append(line)
        if len(self.lines) > MOST_LINES:
            del self.lines[: MOST_LINES // 2]
            self.goes_on = max(-1, self.goes_on - MOST_LINES // 2)

    def add_bar(self, step, steps, eta):
        """The first bar of steps is the training's. Those of evaluations come later and mostly differ in length."""
        if self.is_over or steps == 0:
            return
        if self.steps not in (None, steps):
            self.other_bar = (step, steps)
            return
        self.steps, self.other_bar, self.eta = steps, None, eta
        self.step = max(step, self.step or 0)
        if self.clock() - self.bar_at >= BAR_PERIOD:
            self.report_progress()

    def add_row(self, row):
        epoch = row.values.get("epoch")
        others = repr([item for item in row.values.items() if item[0] != "epoch"])
        if not row.is_autotrain and self.is_repetition(others, epoch):
            self.unrepeated = None
            return
        loss = row.values.get("loss")
        self.follow_new_bar(loss)
        self.unrepeated = (others, epoch) if row.is_autotrain else None
        self.add_measures(row.values, epoch, None if epoch is None else self.find_step(epoch, row))

    def add_exact_row(self, row):
        """A row of our own script, which knows its step."""
        self.goes_on = len(self.lines) - 1
        self.steps, self.eta = row["steps"], row["etaSeconds"]
        self.add_measures(row["values"], row["epoch"], row["step"])

    def add_measures(self, values, epoch, step):
        loss = values.get("loss")
        # A new training in the same log, or the end of this one.
        is_over = loss is None and (self.is_over or values.get("train_runtime") is not None)
        if self.is_over and is_over:
            self.report_row(values, None, None)
        else:
            self.report_row(values, step, finite(epoch))
            self.step = self.step if step is None else max(step, self.step or 0)
        self.is_over = is_over
        self.epoch = self.epoch if finite(epoch) is None else epoch
        self.loss = self.loss if finite(loss) is None else loss
        self.eta = 0 if is_over else self.eta
        self.report_progress()

    def is_repetition(self, others, epoch):
        if self.unrepeated is None or self.unrepeated[0] != others:
            return False
        before = self.unrepeated[1]
        if before is None or epoch is None:
            return before is epoch
        return abs(before - epoch) <= 0.005 + 1e-9

    def follow_new_bar(self, loss):
        """A training that began anew with smaller batches has more steps. The bar of an evaluation is full by now."""
        if loss is None or self.other_bar is None or self.steps is None:
            return
        step, steps = self.other_bar
        if steps >= self.steps and step != steps:
            self.step, self.steps, self.other_bar = step, steps, None

    def find_step(self, epoch, row):
        """The step of a row from its epoch, since the bar beside it may be late.

        None where several steps have these digits, or where the steps of an epoch are not equally long. A printed epoch
        is exact from AutoTrain, has four digits from transformers 5 and two decimals from transformers 4.
        """
        if self.steps is None or self.epochs is None or not epoch > 0 or math.isinf(epoch):
            return None
        rounding = 0 if row.is_autotrain else 0.005
        if "epoch" in row.quoted:
            rounding = 0.5 * 10.0 ** (math.floor(math.log10(epoch)) - 3)
        exact, slack = epoch * self.steps / self.epochs, rounding * self.steps / self.epochs
        step = math.floor(exact + 0.5)
        is_sure = step <= self.steps and slack <= 0.25 and abs(exact - step) <= slack + 1e-6 * step
        return step if is_sure else None

    def report_row(self, values, step, epoch, file=None):
        """Reports each measure once, by its step or epoch."""
        new = {}
        for name, value in values.items():
            if value is None or name in ("epoch", "step") or not NAME.match(name):
                continue
            if not math.isfinite(value):
                at = "" if epoch is None else f" at epoch {epoch:g}"
                self.warn(f"the training reports a {name} that is not finite{at}; the metrics leave it out", name)
            elif not self.was_reported(name, step, epoch):
                new[name] = value
                self.reported.add((name, step, None if step is not None else epoch))
                if step is None and epoch is not None:
                    self.without_step.setdefault(name, []).append(epoch)
        if new:
            self.report("values-measured", step=step, epoch=epoch, values=new, **({"file": file} if file else {}))

    def was_reported(self, name, step, epoch):
        return (name, step, None if step is not None else epoch) in self.reported

    def warn(self, message, subject=None):
        """Warns once of each subject."""
        if (subject or message) in self.warned or len(self.warned) == MOST_WARNINGS:
            return
        self.warned.add(subject or message)
        self.report("warning-raised", message=message)

    def report_progress(self):
        self.bar_at = self.clock()
        progress = {"step": self.step, "steps": self.steps, "epoch": self.epoch}
        progress.update(etaSeconds=self.eta, loss=self.loss)
        if self.step is not None and progress != self.progress:
            self.progress = progress
            self.report("progress-made", **progress)

    def add_trainer_state(self, text):
        """Reports the measures of a checkpoint's `trainer_state.json` that no line gave. A broken file is left out."""
        try:
            rows = [dict(row) for row in json.loads(text)["log_history"]]
        except (ValueError, TypeError, LookupError):
            return
        is_over = False
        for row in rows:
            values = {name: number(value) for name, value in row.items()}
            # As in a log: what is evaluated after the training is the model that was kept, which belongs to no step.
            is_kept = is_over and "loss" not in row
            step = row.get("step") if isinstance(row.get("step"), int) and not is_kept else None
            epoch = None if is_kept else finite(values.get("epoch"))
            missing = {name: value for name, value in values.items() if not self.was_reported_by_epoch(name, epoch)}
            self.report_row(missing, step, epoch, "trainer_state.json")
            is_over = "loss" not in row and (is_over or "train_runtime" in row)

    def was_reported_by_epoch(self, name, epoch):
        """A line gives some measures by the epoch alone, rounded."""
        return epoch is not None and any(abs(other - epoch) < 0.006 for other in self.without_step.get(name, []))


def parse_rows(text):
    """The dicts of measures in a piece of a line."""
    rows = []
    for found in DICT.finditer(text[:LONGEST_PIECE]):
        values, quoted = parse_dict(found[0])
        is_placed = values.get("epoch") is not None or any(name.endswith("_runtime") for name in values)
        is_measured = any(value is not None and MEASURE.match(name) for name, value in values.items())
        if is_placed and is_measured:
            before = text[max(0, found.start() - 80) : found.start()]
            rows.append(Row(values, quoted, bool(AUTOTRAIN_RECORD.search(before))))
    return rows


def parse_dict(text):
    """The numbers in a flat dict as Python prints it (other values are None), and the names of those in quotes."""
    try:
        # nan and inf are no literals.
        literals = re.sub(r"(?<=: )(-?)(nan|inf)(?=[,}])", r"'\1\2'", text)
        entries = ast.literal_eval(literals)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}, set()
    if not isinstance(entries, dict) or not all(isinstance(name, str) for name in entries):
        return {}, set()
    quoted = {name for name, value in entries.items() if isinstance(value, str) and value not in ("nan", "inf", "-inf")}
    return {name: number(value) for name, value in entries.items()}, quoted


def number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def finite(value):
    return value if value is not None and math.isfinite(value) else None


def parse_interval(text):
    """`mm:ss` or `h:mm:ss` in seconds; None for `?`."""
    parts = text.split(":")
    if not all(part.isdigit() for part in parts):
        return None
    return sum(int(part) * 60**power for power, part in enumerate(reversed(parts)))
