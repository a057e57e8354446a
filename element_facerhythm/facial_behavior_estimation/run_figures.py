"""Figures of what a worker computed, in the project directory beside the products."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from element_facerhythm.errors import FaceRhythmError

if TYPE_CHECKING:
    from element_facerhythm.pipeline import RunRecord

logger = logging.getLogger(__name__)


def with_figures(record: "RunRecord") -> "RunRecord":
    """Draw the figures of a run; what could not be drawn is a note of the record, and no failure."""
    from element_facerhythm.io.project import Project
    from element_facerhythm.pipeline.results.drawing import write_all

    try:
        notes = write_all(Project.open(record.project_dir)).notes
    except Exception as error:  # a figure that fails must not cost the results
        reason = error if isinstance(error, FaceRhythmError) else f"{type(error).__name__}: {error}"
        logger.info("figures of %s", record.project_dir, exc_info=error)
        notes = (f"the figures could not be drawn: {reason}",)
    return replace(record, notes=(*record.notes, *notes))
