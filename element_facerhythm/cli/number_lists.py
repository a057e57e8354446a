"""Lists of numbers, as they are typed."""

import re

from element_facerhythm.errors import RequestError

_PART = re.compile(r"(\d{1,9})(?::(\d{1,9}))?")
_MOST = 100_000


def number_list(option: str, text: str) -> tuple[int, ...]:
    """Read numbers and ranges: `3,8,20:30` is 3, 8 and 20 to 29; each number once, in rising order.

    Raises
    ------
    RequestError
        The text is no such list, or is one of more than 100,000 numbers.
    """
    found: set[int] = set()
    for part in text.split(","):
        read = _PART.fullmatch(part.strip())
        if read is None:
            raise RequestError(f"{option} is {text!r}; expected numbers and ranges as 3,8,20:30")
        first = int(read[1])
        end = first + 1 if read[2] is None else int(read[2])
        if not first < end or end - first > _MOST:
            raise RequestError(
                f"{option}: {part.strip()} is no range; expected first:end, of at most {_MOST:,}, "
                "in which the end is not included"
            )
        found.update(range(first, end))
    return tuple(sorted(found))
