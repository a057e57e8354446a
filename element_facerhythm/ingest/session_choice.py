"""Which session a recording belongs to, as the user states it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True)
class SessionChoice:
    """The session that a recording belongs to, and what is known of rows that are new.

    Attributes
    ----------
    key
        Columns of the key of `Session` and, where the device is given, of the device's. A text is read as the
        column's type.
    facts
        Other columns of the session and of the tables that it depends on, such as `sex` or
        `session_datetime`; used for rows that are new.
    day
        Day of the session, where no column states it.
    is_open
        Whether the session may be found by its facts and its day, where one column of its key is not given.
    """

    key: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    day: date | None = None
    is_open: bool = False

    @classmethod
    def numbered(cls, subject: str, session_id: int, **facts: Any) -> "SessionChoice":
        """Session of the released Elements, by subject and number.

        Parameters
        ----------
        subject
            Name of the subject.
        session_id
            Number of its session.
        **facts
            As of the attribute.
        """
        return cls({"subject": subject, "session_id": session_id}, facts)
