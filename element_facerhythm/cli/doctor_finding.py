"""What a check of `facerhythm doctor` found."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Outcome of one check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


OK, WARN, FAIL = State.OK, State.WARN, State.FAIL


@dataclass(frozen=True)
class Finding:
    """One line of the report; `mend` is what to do where the state is not ok, as `--json` prints it."""

    check: str
    state: State
    found: str
    mend: str = ""
