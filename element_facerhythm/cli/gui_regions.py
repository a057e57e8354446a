"""Regions of interest in the configured database, for the page that draws them."""

import hashlib
import shlex
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.errors import PathError, RequestError, RoiError
from element_facerhythm.gui.region_sets import RegionEntry, RegionRecording, RegionSource

if TYPE_CHECKING:
    from element_facerhythm.core.rois import Rois

MOST_SOURCES = 200


class DatabaseRegions:
    """Rows of `FaceRhythmROI`; one thread at a time asks for them.

    Parameters
    ----------
    lock
        Held while the connection is used, which others use as well.
    of
        Restriction of the recordings that regions are entered for; empty for all.
    """

    def __init__(self, lock: threading.Lock, of: Mapping[str, Any] | None = None) -> None:
        self._lock, self._of = lock, dict(of or {})

    def recordings(self, video: Path) -> list[RegionRecording]:
        """Return the recordings that a video is a file of."""
        with self._lock:
            return [_recording(key) for key in self._keys(video)]

    def enter(
        self, video: Path, recording: str, rois: "Rois", description: str, seen: str
    ) -> RegionEntry:
        """Enter regions; the same ones under the same names are not entered twice.

        Parameters
        ----------
        video, recording, rois, description, seen
            As of `StoredRegions`.

        Raises
        ------
        RequestError
            It is no recording of this video, or the account or the table refuses the regions.
        StaleVersionError
            Somebody else has entered regions meanwhile; nothing was entered.
        """
        from element_facerhythm.database.datajoint import import_datajoint
        from element_facerhythm.database.keys import key_text
        from element_facerhythm.facial_behavior_estimation import FaceRhythmROI
        from element_facerhythm.gui.roi_file_store import StaleVersionError

        errors = import_datajoint().errors
        conflict = StaleVersionError(
            f"regions of {recording} were entered elsewhere since they were read; look at them (reload the "
            "page), and enter yours again. Nothing was entered"
        )
        with self._lock:
            keys = {key_text(key): key for key in self._keys(video)}
            if recording not in keys:
                raise RequestError(
                    f"{video} is no file of a recording {recording or '(none)'}; expected "
                    f"{', '.join(keys) or 'a file that is entered in VideoRecording.File'}"
                )
            key = keys[recording]
            if _recording(key).version != seen:
                raise conflict
            roi_id = FaceRhythmROI.find_roi_id(key, rois)
            try:
                FaceRhythmROI.insert_rois({**key, "roi_id": roi_id}, rois, description=description)
            except (errors.DuplicateError, RoiError) as error:
                if isinstance(error, RoiError) and _recording(key).version == seen:
                    raise
                raise conflict from error  # the number was taken in this moment
            except errors.AccessError as error:
                raise RequestError(
                    "this account may not enter regions into FaceRhythmROI; an administrator runs what "
                    "`facerhythm admin grants` prints for an analyst"
                ) from error
            stored = (FaceRhythmROI() & key & {"roi_id": roi_id}).fetch1("roi_description")
            return RegionEntry(roi_id, stored)

    def sources(self, video: Path) -> list[RegionSource]:
        """Return regions of the recordings of the same subject, those of this recording last."""
        from element_facerhythm.database.keys import key_text
        from element_facerhythm.facial_behavior_estimation import FaceRhythmROI, VideoRecording

        with self._lock:
            keys = self._keys(video)
            subject = VideoRecording.primary_key[0]
            subjects = [{subject: value} for value in dict.fromkeys(key[subject] for key in keys)]
            if not subjects:
                return []
            rows = (FaceRhythmROI() & subjects).proj("roi_description")
            found = rows.to_dicts(order_by="KEY DESC", limit=MOST_SOURCES)
        own = [set(key.items()) for key in keys]
        found.sort(key=lambda row: any(key <= set(row.items()) for key in own))
        return [
            RegionSource(key_text(key), " ".join(filter(None, (key_text(key), about))))
            for row in found
            for about, key in [(row.pop("roi_description"), row)]
        ]

    def regions(self, source: str) -> "tuple[Rois, Path]":
        """Return regions of another recording, and the first of its videos.

        Raises
        ------
        RequestError
            There are none of that name; or the video is not on this machine.
        """
        from element_facerhythm.cli.key_options import key_texts
        from element_facerhythm.facial_behavior_estimation import FaceRhythmROI, VideoRecording

        with self._lock:
            key = key_texts(key=shlex.split(source)).key(FaceRhythmROI())
            rois = FaceRhythmROI.fetch_rois(key)
            recording = {name: key[name] for name in VideoRecording.primary_key}
            return rois, files_here(recording)[0]

    def _keys(self, video: Path) -> list[dict[str, Any]]:
        """Primary keys of the recordings that a video is a file of."""
        from element_facerhythm.facial_behavior_estimation import VideoRecording
        from element_facerhythm.linking import active_link, relative_to_roots

        try:
            path = relative_to_roots(video, active_link().search_dirs())
        except PathError:  # below no root directory: of no recording
            return []
        files = VideoRecording.File() & {"file_path": path} & self._of
        keys = ({n: row[n] for n in VideoRecording.primary_key} for row in files.proj().to_dicts())
        return list({tuple(key.values()): key for key in keys}.values())


def files_here(recording: Mapping[str, Any]) -> list[Path]:
    """Return the video files of a recording that are on this machine, in order.

    Raises
    ------
    PathError
        None is.
    """
    from element_facerhythm.database.keys import key_text
    from element_facerhythm.facial_behavior_estimation import VideoRecording
    from element_facerhythm.linking import active_link, expected_path

    roots = active_link().search_dirs()
    rows = (VideoRecording.File() & recording).to_dicts(order_by="file_id")
    places = [expected_path(row["file_path"], roots) for row in rows]
    here = [place for place in places if place.is_file()]
    if not here:
        raise PathError(
            f"no video of {key_text(recording)} is on this machine; expected "
            f"{', '.join(map(str, places)) or 'files in VideoRecording.File, and there are none'}"
        )
    return here


def _recording(key: Mapping[str, Any]) -> RegionRecording:
    from element_facerhythm.database.keys import key_text
    from element_facerhythm.facial_behavior_estimation import FaceRhythmROI

    rows = (FaceRhythmROI() & key).proj("roi_description", "rois_sha256")
    found = rows.to_dicts(order_by="roi_id")
    entries = tuple(RegionEntry(int(row["roi_id"]), row["roi_description"]) for row in found)
    text = repr([(row["roi_id"], row["rois_sha256"], row["roi_description"]) for row in found])
    version = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
    options = " ".join(f"--key {part}" for part in _parts(key))
    return RegionRecording(key_text(key), options, entries, version)


def _parts(key: Mapping[str, Any]) -> list[str]:
    from element_facerhythm.database.keys import key_text

    return [key_text({name: value}) for name, value in key.items()]
