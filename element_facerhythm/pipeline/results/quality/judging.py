"""From a measured value to a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

from element_facerhythm.parameters.quality import FLAGGED_BELOW, QualityLimits
from element_facerhythm.pipeline.records import Verdict

OK, WARN, RED, UNKNOWN = "ok", "warn", "red", "unknown"

LONGEST_MESSAGE = 512
"""Characters; the width of the column that takes it."""


@dataclass(frozen=True)
class Measure:
    """Measurement of one check.

    Attributes
    ----------
    name
        Of the check, as of its limits.
    value
        None or NaN where it is not known.
    found
        What was found, without a full stop: of a flagged value the first half of the message.
    advice
        What to do where it is flagged.
    """

    name: str
    value: float | None
    found: str
    advice: str = ""


def unknown(name: str, reason: str) -> Measure:
    """Return a measure whose value is not known.

    Parameters
    ----------
    name
        Name of the check.
    reason
        Why it is not known, without a full stop.
    """
    return Measure(name, None, reason)


def judge(measure: Measure, limits: QualityLimits) -> Verdict:
    """Compare a value with its limits; a value that is not finite is unknown.

    Parameters
    ----------
    measure
        The value, and what to say of it.
    limits
        Of all checks; those of the measure's name count.
    """
    warn, red = getattr(limits, measure.name)
    value = measure.value
    if value is None or not math.isfinite(value):
        return Verdict(measure.name, None, warn, UNKNOWN, _sentence(measure.found))
    sign = -1 if measure.name in FLAGGED_BELOW else 1
    if red is not None and sign * value > sign * red:
        verdict, threshold = RED, red
    elif sign * value > sign * warn:
        verdict, threshold = WARN, warn
    else:
        return Verdict(measure.name, float(value), warn, OK, _sentence(measure.found))
    message = _sentence(f"{measure.found}: {measure.advice}")
    return Verdict(measure.name, float(value), threshold, verdict, message)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 3] + "..."
