"""One call in a process of its own, with limits, judged as the command line would judge it.

The process that calls `try_out` has imported everything and computed nothing: a fork of it costs
milliseconds, and has no threads that a fork would lose.
"""

from __future__ import annotations

import faulthandler
import json
import math
import os
import re
import resource
import select
import signal
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import element_facerhythm
from element_facerhythm.errors import ProcessingError, RequestError
from element_facerhythm.pipeline.run.lock import LEASE_VARIABLE
from tests.fuzz.surroundings import MARKER, TOKEN, Surroundings, fingerprint

COSTS = TOO_SLOW, TOO_LARGE, WAITS = "too slow", "too much memory", "waits for ever"
PACKAGE = Path(element_facerhythm.__file__).parent
_LONGEST_MESSAGE = 4000
_PIPE_BYTES = 30_000
_FRAME = re.compile(r"\bframes? \d+")
_SPAWNING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork")
_CONNECTING = ("socket.connect", "socket.getaddrinfo", "socket.bind")
_CHANGING = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.utime",
)
_UNPICKLED = re.compile(r"numpy(\.|$)")


@dataclass(frozen=True)
class Limits:
    """What one input may cost.

    Attributes
    ----------
    cpu_s
        Processor time, which a busy machine does not lengthen.
    wall_s
        Time after which a call that waits for something is given up.
    memory_bytes
        Above what the parent holds.
    """

    cpu_s: float = 5.0
    wall_s: float = 40.0
    memory_bytes: int = 1 << 30


@dataclass(frozen=True)
class Outcome:
    """What became of one call.

    Attributes
    ----------
    code
        Exit code that the command line would give; None where the process died.
    finding
        What is wrong, in two or three words; empty where nothing is.
    text
        Message, or traceback.
    where
        Exception and innermost function of ours, by which findings are told apart.
    cpu_s, memory_bytes
        What it cost.
    """

    code: int | None
    finding: str
    text: str
    where: str
    cpu_s: float
    memory_bytes: int


def try_out(
    call: Callable[[], Any],
    place: Surroundings,
    subject: Path,
    limits: Limits,
    *,
    writes: bool = False,
    secret: bool = False,
) -> Outcome:
    """Run `call` in a fork of this process and judge what it did.

    Parameters
    ----------
    call
        What to run; an exception is judged, a result ignored.
    place
        Where it runs; cleared by the caller before the input was made.
    subject
        The input, a file or a directory.
    limits
        What it may cost.
    writes
        Whether it may change the input.
    secret
        Whether the input's own content may not be quoted, because nobody named it on a command line.
    """
    before = fingerprint(subject)
    place.forget()
    report, write_end = os.pipe()
    resident = _resident_bytes()
    with place.log.open("w+b") as log:
        child = os.fork()
        if child == 0:
            os.close(report)
            _live(call, place, limits, write_end, log.fileno())
        os.close(write_end)
        in_time = _wait(child, limits.wall_s)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        with os.fdopen(report, "rb") as pipe:
            told = pipe.read()
    cpu_s = usage.ru_utime + usage.ru_stime
    memory = max(0, usage.ru_maxrss * 1024 - resident)
    log_text = place.log.read_text(errors="replace")
    result = json.loads(told) if told else {"code": None, "text": log_text[-6000:], "noted": []}
    result.setdefault("where", _where_of_dump(log_text))
    finding = _judge_end(status, in_time, cpu_s, memory, limits, bool(told))
    finding = finding or result.pop("finding", "")
    if not finding:
        noted = [*place.touched(), *result["noted"]]
        noted += _changes(place, subject, None if writes else before, refused=result["code"] == 2)
        if noted:
            finding, result["text"] = noted[0], "\n".join([*noted, result["text"]])
    if not finding:
        said = result["text"].replace(str(subject), "INPUT")  # a name that was typed may be odd
        finding = _judge_text(result["code"], said, log_text, secret=secret)
    return Outcome(
        result["code"], finding, result["text"], result["where"], round(cpu_s, 3), memory
    )


def _changes(place: Surroundings, subject: Path, before: Any, *, refused: bool) -> Iterator[str]:
    """Yield what a call changed that may not: its input, and what lies beside it where it refused."""
    if before is not None and fingerprint(subject) != before:
        yield "the input was changed"
    if refused:
        beside = [entry.name for entry in place.root.iterdir() if entry != subject]
        yield from (f"root/{name} was left behind" for name in beside)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _wait(child: int, seconds: float) -> bool:
    """Wait for a child to end, or for its stacks to be written when it does not."""
    descriptor = os.pidfd_open(child)
    try:
        if select.select([descriptor], [], [], seconds)[0]:
            return True
        os.kill(child, signal.SIGXCPU)
        select.select([descriptor], [], [], 1.0)
        return False
    finally:
        os.close(descriptor)


def _judge_end(
    status: int, in_time: bool, cpu_s: float, memory: int, limits: Limits, told: bool
) -> str:
    """Name what is wrong with how a process ended and what it cost; empty where nothing is."""
    if not in_time:
        return TOO_SLOW if cpu_s > limits.cpu_s else WAITS
    if cpu_s > limits.cpu_s:
        return TOO_SLOW
    if memory > limits.memory_bytes:
        return TOO_LARGE
    if os.WIFSIGNALED(status):
        return f"died of {signal.Signals(os.WTERMSIG(status)).name}"
    return "" if told else "ended without a result"


def _judge_text(code: int | None, text: str, log: str, *, secret: bool) -> str:
    """Name what is wrong with a message; empty where nothing is."""
    if code == 1 and not _FRAME.search(text):
        return "exit 1 without a frame"
    if code and not text.strip():
        return "no message"
    if TOKEN in text or TOKEN in log:
        return "quotes a canary"
    if secret and MARKER in text:
        return "quotes a file of the project"
    if len(text) > _LONGEST_MESSAGE:
        return "very long message"
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in text):
        return "control characters in a message"
    return "Traceback on stderr" if "Traceback (most" in log else ""


def _live(
    call: Callable[[], Any], place: Surroundings, limits: Limits, report: int, log: int
) -> NoReturn:
    """Be the child: limit yourself, call, tell the parent, end."""
    os.setpgid(0, 0)
    for number in (1, 2):
        os.dup2(log, number)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    place.enter()
    os.environ[LEASE_VARIABLE] = "1"
    faulthandler.enable(2)
    faulthandler.register(signal.SIGXCPU, 2, all_threads=True, chain=True)
    _limit(limits)
    noted: list[str] = []
    sys.dont_write_bytecode = True
    sys.addaudithook(lambda event, args: _note(event, args, place, noted))
    result = _called(call)
    result["noted"] = list(dict.fromkeys(noted))[:10]
    result["text"] = result["text"][: _PIPE_BYTES // 6]
    os.write(report, json.dumps(result).encode())
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(0)


def _limit(limits: Limits) -> None:
    cpu_s = math.ceil(limits.cpu_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + 4 * limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _called(call: Callable[[], Any]) -> dict[str, Any]:
    """Call, and tell the exit code that `cli.main` would give."""
    try:
        call()
    except RequestError as error:
        return {"code": 2, "text": str(error), "where": _where(error)}
    except ProcessingError as error:
        return {"code": 1, "text": str(error), "where": _where(error)}
    except SystemExit as stop:
        return _of_command(stop)
    except BaseException as error:  # noqa: BLE001  every other exception is what is looked for
        text = "".join(traceback.format_exception(error, limit=-25))[-6000:]
        return {"code": 1, "text": text, "where": _where(error), "finding": "traceback"}
    return {"code": 0, "text": "", "where": ""}


def _of_command(stop: SystemExit) -> dict[str, Any]:
    """Tell what the command line said before it exited."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    log = Path("/proc/self/fd/2").read_text(errors="replace")
    said = [line for line in log.splitlines() if line.startswith("facerhythm: ")]
    code = stop.code if isinstance(stop.code, int) else 0
    result = {"code": code, "text": "\n".join(said), "where": f"exit {code}"}
    if "Traceback (most" in log or "defect of facerhythm" in log:
        cause = stop.__context__
        result |= {"text": log[-6000:], "finding": "traceback"}
        result["where"] = _where(cause) if cause is not None else result["where"]
    return result


def _where(error: BaseException) -> str:
    """Name an exception and the innermost function of ours that it passed."""
    ours = [
        f"{Path(frame.filename).relative_to(PACKAGE)}:{frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if PACKAGE in Path(frame.filename).parents
    ]
    return f"{type(error).__name__} {ours[-1] if ours else ''}".strip()


def _where_of_dump(log: str) -> str:
    """Name the innermost function of ours in the stacks that `faulthandler` wrote."""
    lines = re.findall(r'File "([^"]+)", line \d+ in (\S+)', log)
    ours = [(p, f) for p, f in lines if PACKAGE in Path(p).parents]
    if not ours:
        return ""
    return f"{Path(ours[0][0]).relative_to(PACKAGE)}:{ours[0][1]}"


def _note(event: str, args: tuple[Any, ...], place: Surroundings, noted: list[str]) -> None:
    """Write down what reading a file has no business to do."""
    if event in _SPAWNING:
        noted.append(f"a program was started ({event})")
    elif event in _CONNECTING:
        noted.append(f"a connection was made ({event})")
    elif event == "pickle.find_class" and not _UNPICKLED.match(str(args[0])):
        noted.append(f"a pickle found {args[0]}.{args[1]}")
    elif event == "open" and isinstance(args[0], str | bytes) and args[2] & _WRITING:
        _note_change(event, args[0], place, noted)
    elif event in _CHANGING:
        for path in args[: 2 if event in ("os.rename", "os.link") else 1]:
            if isinstance(path, str | bytes | os.PathLike):
                _note_change(event, path, place, noted)


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def _note_change(event: str, path: Any, place: Surroundings, noted: list[str]) -> None:
    full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  no Path for names with NUL in them
    allowed = (str(place.base) + os.sep, os.devnull, "/dev/shm/", "/proc/self/")
    if not full.startswith(allowed) and "__pycache__" not in full:
        noted.append(f"something outside was changed ({event} {full})")
