"""Where facemap and Element Facemap put the predictions of a recording."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from element_facerhythm.errors import KeypointError, PathError
from element_facerhythm.linking import active_link, resolve_path

FACEMAP_RESULT = "_FacemapPose.h5"
"""End of the name of facemap's file of predictions, after the name of the first video."""


def facemap_result(
    task: Mapping[str, Any], output_dir: str, video_paths: Sequence[str]
) -> list[Path]:
    """File of facemap's predictions for a recording; none where there is none.

    Parameters
    ----------
    task
        Primary key of the recording, with `model_id`.
    output_dir
        Directory to look into, relative to a data directory; that in which Element Facemap would have put it,
        if empty.
    video_paths
        Videos of the recording in order, relative to a data directory.

    Raises
    ------
    KeypointError
        Several lie there, and none has the name of the recording's first video.
    """
    videos = [PurePosixPath(path) for path in video_paths]
    directory = PurePosixPath(output_dir) if output_dir else _usual_directory(videos, task)
    if directory is None:
        return []
    try:
        place = resolve_path(directory.as_posix(), active_link().search_dirs())
    except PathError:
        return []
    found = sorted(place.glob(f"*{FACEMAP_RESULT}"))
    named = [path for path in found if videos and path.name == f"{videos[0].stem}{FACEMAP_RESULT}"]
    if len(found) > 1 and not named:
        raise KeypointError(
            f"{place} holds {len(found)} results of facemap, and none is named after the recording's first "
            f"video ({', '.join(path.name for path in found)}); give the right one as files=[...]"
        )
    return named or found


def _usual_directory(videos: list[PurePosixPath], task: Mapping[str, Any]) -> PurePosixPath | None:
    """Directory that Element Facemap makes of a recording's first video, its number and its model's."""
    if not videos:
        return None
    return videos[0].parent / f"facemap_recordingid{task['recording_id']}_model{task['model_id']}"
