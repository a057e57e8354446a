"""Entering recordings, and results computed elsewhere, into the tables of the active pipeline."""

from element_facerhythm.ingest.entering import one_transaction
from element_facerhythm.ingest.registered import Registered
from element_facerhythm.ingest.registration import (
    count_rows,
    populate,
    register_project,
    register_videos,
    require_right_to_populate,
)
from element_facerhythm.ingest.session import UNKNOWN_BIRTH_DATE
from element_facerhythm.ingest.session_choice import SessionChoice

__all__ = [
    "UNKNOWN_BIRTH_DATE",
    "Registered",
    "SessionChoice",
    "count_rows",
    "one_transaction",
    "populate",
    "register_project",
    "register_videos",
    "require_right_to_populate",
]
