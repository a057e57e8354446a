"""Whether a job that failed is tried again later, or kept as failed."""

from dataclasses import dataclass

from element_facerhythm.database.worker_options import RetryPolicy
from element_facerhythm.errors import ProjectBusyError, ProjectLostError, RequestError
from element_facerhythm.fleet.claims import History
from element_facerhythm.fleet.job_outcomes import FAILED, GIVEN_BACK, RETRY

BUSY_DELAY_S = 15.0
GONE_REASON = "the entry that the job was for was deleted, or never was there"


@dataclass(frozen=True)
class Verdict:
    """Outcome of an attempt, and when the next one may be."""

    outcome: str
    delay_s: float = 0.0


def judge(error: BaseException, history: History, policy: RetryPolicy) -> Verdict:
    """Decide on a job that raised `error`.

    A request that is wrong fails at once, as it would again. A project directory that another run writes is
    no fault of the job and does not count as a try. Everything else (a full disk, a store out of reach, a
    device out of memory, a file system that hangs) is tried again, up to `policy.max_tries` times.

    Parameters
    ----------
    error
        What the attempt raised.
    history
        The attempts before this one.
    policy
        How often, and when, a job is tried.
    """
    if isinstance(error, ProjectBusyError | ProjectLostError):
        return Verdict(GIVEN_BACK, BUSY_DELAY_S)
    if is_final(error) or history.n_retries + 1 >= policy.max_tries:
        return Verdict(FAILED)
    return Verdict(RETRY, policy.first_delay_s * 4**history.n_retries)


def is_final(error: BaseException) -> bool:
    """Whether trying again would give the same error."""
    return isinstance(error, RequestError) and not isinstance(error.__cause__, OSError)


def in_one_line(error: BaseException) -> str:
    """Kind and message of an error, for a column and a terminal."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def set_aside_reason(n_lost: int, last: str) -> str:
    """Return the message of a job that is left alone because it keeps killing its workers.

    Parameters
    ----------
    n_lost
        Workers that were lost on it.
    last
        The last of them: where it ran, and how far it was.
    """
    return (
        f"set aside: {n_lost} workers died on it or fell silent; the last was {last}. Look at its log and at "
        "the video, then `facerhythm jobs retry`"
    )
