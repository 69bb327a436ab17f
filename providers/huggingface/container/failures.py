"""Why a training failed, from what Python and the launchers printed."""

import re
from collections import namedtuple

# `code` is of the program that follows the job; `what` says what happened, and the exception's own words follow it.
Reason = namedtuple("Reason", "code what hint")
# Who can repair it, where the code alone does not say so.
CAUSES = {"model-invalid": "user", "training-failed": "program"}

MEMORY_HINT = "use a flavor with more memory, or a smaller model"
STATUS_HINT = "submit it again; see https://status.huggingface.co if it happens again"

GPU_MEMORY = Reason(
    "out-of-memory",
    "the memory of the GPU was not enough",
    "use a smaller batchSize or maxLength, a LoRA adapter, or a flavor with more memory",
)
MEMORY = Reason("out-of-memory", "the memory of the machine was not enough", MEMORY_HINT)
KILLED = Reason(
    "out-of-memory",
    "the training was killed (exit status 137), as machines do when their memory is full",
    "use a flavor with more memory, or a smaller batchSize or maxLength",
)
DISK = Reason(
    "disk-full", "the disk of the machine was full", "use a flavor with a larger disk, or keep fewer checkpoints"
)
TOKEN = Reason(
    "credentials-invalid",
    "the Hub refused the token that the job was given",
    "make a token that may read the model and the data and write repositories, and set it as HF_TOKEN",
)
GATED_MODEL = Reason(
    "model-invalid",
    "the model or data set is gated, and this account has no access",
    "ask for access on the repository's page, or choose another one",
)
MISSING_MODEL = Reason(
    "model-invalid",
    "the model or data set does not exist, or this account may not see it",
    "check its name and revision, and that the token may read it",
)
UNSUPPORTED_MODEL = Reason(
    "model-invalid",
    "the training program is too old for this model, or the model is of another kind",
    "choose another model, or another engine: trl knows newer models than autotrain",
)
UNREACHABLE = Reason("service-unreachable", "the job could not reach the Hub", STATUS_HINT)
HUB_FAULT = Reason("service-unavailable", "the Hub did not answer as it should", STATUS_HINT)
QUOTA = Reason(
    "quota-exhausted", "the account has no credit or no storage left", "add credit or storage to the account"
)
REPOSITORY_EXISTS = Reason(
    "request-refused",
    "the repository that the model should go to exists already",
    "delete it or give the run another name",
)
CHAT_TEMPLATE = Reason(
    "model-invalid",
    "the tokenizer of the model has no chat template",
    "choose a model that was tuned for chats, or name a chat template",
)
COLUMN = Reason("data-invalid", "the data has no such column", "compare data.columns with the columns of the data")
SPLIT = Reason("data-invalid", "the data has no such split", "compare the names of the splits with those of the data")
ROWS = Reason("data-invalid", "the rows could not be read", "give all rows the same fields with the same types")
SETTING = Reason(
    "job-file-invalid", "the training program does not accept its settings", "check the settings under native"
)
ARGUMENT = Reason(
    "job-file-invalid",
    "the training program does not know an argument",
    "check the settings under native; names change between versions",
)
NEEDS_GPU = Reason(
    "job-file-invalid", "this setting needs a GPU", "choose a flavor with a GPU, or leave quantization out"
)
WRONG_GPU = Reason("job-file-invalid", "the training program cannot use this GPU", "choose another flavor")
UNNAMED = Reason("training-failed", "the training program failed", "the log of the run has the whole traceback")

# Searched for in `Type: message` of an exception, or in the last line of a program that ended without one; then, where
# the words alone are not enough, in the place that raised it (`file.py:function`). The first that fits is the reason:
# exact signs come before general ones.
SIGNS = [
    (GPU_MEMORY, r"(?i)CUDA (?:error: )?out of memory|HIP out of memory|(?:CUBLAS|CUDNN)_STATUS_ALLOC_FAILED", None),
    (GPU_MEMORY, r"^OutOfMemoryError\b", None),
    (MEMORY, r"^_?(?:Array)?MemoryError\b|DefaultCPUAllocator: (?:can't allocate|not enough) memory", None),
    (MEMORY, r"\[Errno 12\]|unable to mmap \d+ bytes", None),
    (DISK, r"(?i)\[Errno (?:28|122)\]|No space left on device|Disk quota exceeded|\(os error 28\)", None),
    (KILLED, r"SIGKILL|exit (?:status|code)[ :]{1,3}(?:137|-9)\b|\bOOMKilled\b", None),
    (CHAT_TEMPLATE, r"(?i)chat_template is not set|does not have a chat template", None),
    (CHAT_TEMPLATE, r"(?i)Cannot use (?:apply_)?chat[_ ]template", None),
    (GATED_MODEL, r"^GatedRepoError\b|(?i:access a|access) gated repo", None),
    (GATED_MODEL, r"(?i)Access to (?:model|dataset) \S{1,200} is restricted", None),
    (TOKEN, r"(?i)Invalid (?:user token|username or password|credentials)|LocalTokenNotFoundError", None),
    (TOKEN, r"(?i)token .{0,40}(?:is not valid|is invalid|expired)", None),
    (REPOSITORY_EXISTS, r"(?i)already created this (?:model|dataset|space) repo", None),
    (MISSING_MODEL, r"^(?:Repository|Revision|Entry|RemoteEntry|Dataset|DataFiles)NotFoundError\b", None),
    (MISSING_MODEL, r"Repository Not Found for url|is not a valid model identifier", None),
    (MISSING_MODEL, r"does not appear to have a file named|doesn't exist on the Hub", None),
    (UNSUPPORTED_MODEL, r"Transformers does not recognize this architecture", None),
    (UNSUPPORTED_MODEL, r"Unrecognized (?:model in|configuration class)", None),
    (UNREACHABLE, r"couldn't connect to 'https?:", None),
    (UNREACHABLE, r"^(?:LocalEntryNotFound|OfflineModeIsEnabled|ConnectionError|ConnectError)", None),
    (QUOTA, r"(?i)\b402 (?:Client Error|Payment Required)|Payment Required|storage (?:limit|quota)", None),
    (TOKEN, r"\b(?:401|403) (?:Client Error|Forbidden|Unauthorized)", None),
    (HUB_FAULT, r"\b(?:429 Client|50\d Server) Error", None),
    (ARGUMENT, r"unrecognized arguments|not used by the HfArgumentParser|unexpected keyword argument", None),
    (SETTING, r": error: (?:argument |the following arguments are required|ambiguous option)", None),
    (SPLIT, r"Unknown split |^ValueError: Split .{1,200} not found", None),
    (SPLIT, r"^KeyError\b", r"^dataset_dict\.py:"),
    (SETTING, r"^KeyError\b", r"^parser\.py:"),
    (COLUMN, r"(?i)\bnot in (?:train|valid|validation) data\b", None),
    (COLUMN, r"(?i)^(?:ValueError|KeyError|AttributeError): .{0,200}\bcolumns?\b", None),
    (COLUMN, r"^KeyError\b", r"^(?:arrow_dataset|formatting|text|frame|base|data_utils|\w+_trainer)\.py:"),
    (ROWS, r"^(?:DatasetGeneration(?:Cast)?Error|CastError|ArrowInvalid|ArrowTypeError)\b", None),
    (SETTING, r"^ValidationError: \d+ validation errors? for|^ValueError: Task .{1,100} is not supported", None),
    (NEEDS_GPU, r"CUDA is required but not available|No GPU found", None),
    (NEEDS_GPU, r"Torch not compiled with CUDA|Found no NVIDIA driver", None),
    (WRONG_GPU, r"no kernel image is available", None),
]

LONGEST_MESSAGE = 600

HEADING = re.compile(r"Traceback \(most recent call last\)")
LINK = re.compile(
    r"The above exception was the direct cause of the following exception:"
    r"|During handling of the above exception, another"
)
FRAME = re.compile(r'[\s|]*File "([^"]*)", line \d+(?:, in (.+))?$')
# The name of a class begins with a capital, or comes with its module.
RAISED = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*|(?:[A-Za-z_]\w*\.)+\w+)(?:: ?(.*))?$")
# Lines that belong to no exception: log records, headings, markers, a launcher's last words.
OTHER_RECORD = re.compile(
    r"[A-Z]{4,8}\s*\||(?:INFO|WARNING|ERROR|DEBUG|CRITICAL):|Traceback \(|=====|ERROR conda|\[rank\d|Exception ignored"
)
MOST_FRAMES = 2000
MOST_MESSAGE_LINES = 8

# The launchers raise these about a child that failed. The child has printed the reason.
LAUNCHERS = ("CalledProcessError", "ChildFailedError")
CAUGHT = "has failed due to an exception"

PythonError = namedtuple("PythonError", "name message location")
Traceback = namedtuple("Traceback", "errors line is_ignored")


def find_failure(lines, goes_on=-1, is_failed=False):
    """The failure in these lines of a log, as fields of an event; None where there is none.

    `goes_on`: the last line that shows that the training went on. A traceback before it is no failure, unless
    `is_failed` says that the program failed: one stream can come before what was printed earlier to the other.
    """
    tracebacks = [found for found in parse_tracebacks(lines) if not found.is_ignored]
    launched = [found for found in tracebacks if found.errors[-1].name in LAUNCHERS]
    own = [found for found in tracebacks if found.errors[-1].name not in LAUNCHERS]
    caught = max((i for i, line in enumerate(lines) if CAUGHT in line), default=-1)
    is_end = is_failed or any(found.line > goes_on for found in launched)
    # Of several processes the first one to fail says why.
    ends = [found for found in own if found.line == caught or found.line > goes_on] or (own[-1:] if is_end else [])
    if ends:
        return explain_errors(ends[0].errors)
    if caught != -1:
        said = [text for text in map(parse_record, lines[caught:]) if text and CAUGHT not in text]
        return explain(None, said[0] if said else lines[caught])
    refused = find_refused_arguments(lines, goes_on) or (
        explain_errors(launched[0].errors) if is_end and launched else None
    )
    return refused or find_kill(lines, goes_on)


def explain_errors(errors):
    """The last exception is the most telling one, unless it only wraps the others."""
    reasons = [find_reason(format_error(error), error.location) for error in reversed(errors)]
    return explain(next(filter(None, reasons), None), format_error(errors[-1]))


def explain(reason, said):
    """The fields of an event about a failure, with the words of the program."""
    code, what, hint = reason or UNNAMED
    words = re.sub(r"\bhf_[A-Za-z0-9]{20,}", "<token>", " ".join(said.split()))
    shown = words[:LONGEST_MESSAGE] + "…" if len(words) > LONGEST_MESSAGE else words
    cause = {"cause": CAUSES[code]} if code in CAUSES else {}
    return {"code": code, **cause, "message": f"{what}: {shown}", "hint": hint}


def find_reason(text, location=None):
    for reason, pattern, place in SIGNS:
        if re.search(pattern, text) and (place is None or re.search(place, location or "")):
            return reason
    return None


def format_error(error):
    return f"{error.name}: {error.message}" if error.message else error.name


def parse_record(line):
    """The message of a log record of AutoTrain's wrapper."""
    found = re.match(r"ERROR\s*\|[^|]{1,60}\|[^|]{1,200}? - (.*)$", line)
    return found[1] if found else ""


def find_refused_arguments(lines, goes_on):
    """argparse prints its usage, then one line with the error, and ends with 2."""
    usage = next((i for i, line in enumerate(lines) if i > goes_on and line.startswith("usage: ")), len(lines))
    said = next((line for line in lines[usage:] if re.match(r"[\w ./-]{1,100}: error: ", line)), None)
    return said and explain(find_reason(said) or SETTING, said)


def find_kill(lines, goes_on):
    """What a shell says about a process that was killed."""
    killed = re.compile(r"(?:\S{1,100}: line \d{1,9}: +\d{1,9} Killed\b.*|Killed)$")
    said = next((line for line in lines[goes_on + 1 :] if killed.match(line)), None)
    return said and explain(KILLED, said)


def parse_tracebacks(lines):
    """All tracebacks, in order; exceptions that led to each other are one. `lines` have no returns and no colours."""
    found = []
    linked_at = None
    at = 0
    while at < len(lines):
        line = lines[at]
        if LINK.match(line):
            linked_at = at
        error, end = read_error(lines, at) if HEADING.search(line) else (None, at)
        if error is not None:
            if found and linked_at is not None and linked_at > found[-1].line:
                found[-1].errors.append(error)
            else:
                before = lines[at - 1] if at > 0 else ""
                is_ignored = any(text.startswith("Exception ignored") for text in (line, before))
                found.append(Traceback([error], at, is_ignored))
            linked_at = None
        at = end + 1
    return found


def read_error(lines, heading):
    """The exception below a heading, and its last line; (None, heading) where there is none."""
    location = None
    for at in range(heading + 1, min(len(lines), heading + MOST_FRAMES + 1)):
        line = lines[at]
        if HEADING.search(line):
            break
        frame = FRAME.match(line)
        if frame:
            location = re.split(r"[\\/]", frame[1])[-1] + ":" + (frame[2] or "")
        raised = None if line[:1].isspace() or OTHER_RECORD.match(line) else RAISED.match(line)
        if raised:
            more, end = read_message(lines, at)
            message = "\n".join([raised[2] or "", *more]).strip()
            return PythonError(raised[1].split(".")[-1], message, location), end
    return None, heading


def read_message(lines, first):
    """The further lines of a message, and the last of them. Empty lines do not end it: the Hub's messages have some."""
    more = []
    end = first
    for at in range(first + 1, len(lines)):
        line = lines[at]
        if len(more) == MOST_MESSAGE_LINES or LINK.match(line) or HEADING.search(line) or OTHER_RECORD.match(line):
            break
        if line.strip():
            more.append(line.strip())
            end = at
    return more, end
