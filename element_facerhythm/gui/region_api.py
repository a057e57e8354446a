"""What the page for drawing asks of regions elsewhere: copied from recordings, entered for recordings."""

from __future__ import annotations

import base64
from typing import Any

import cv2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from element_facerhythm.core.alignment import LARGEST_RESIDUAL_PX, LEAST_CORRELATION, laid_over
from element_facerhythm.errors import RequestError
from element_facerhythm.gui.answers import body_of
from element_facerhythm.gui.frames import as_picture
from element_facerhythm.gui.opened import OpenedVideo
from element_facerhythm.gui.region_sets import (
    RegionEntry,
    RegionFiles,
    RegionRecording,
    StoredRegions,
)
from element_facerhythm.gui.roi_file_store import StaleVersionError
from element_facerhythm.gui.video_api import VideoApi
from element_facerhythm.io.rois_file import rois_from_mapping, rois_to_mapping
from element_facerhythm.pipeline.roi_copy import CopiedRois, copy_rois
from element_facerhythm.pipeline.roi_placing import place_on_video
from element_facerhythm.video import probe_video

_NO_MATTER_HZ = 30.0  # regions need no time, and a video may have no rate


class RegionApi:
    """Answers about regions of other recordings, and about those in the database.

    Parameters
    ----------
    videos
        Answers about videos.
    files
        Regions of what the server was started on.
    stored
        Regions in the database; None where none was opened.
    """

    def __init__(self, videos: VideoApi, files: RegionFiles, stored: StoredRegions | None) -> None:
        self._videos, self._files, self._stored = videos, files, stored

    def routes(self) -> list[Route]:
        """Return the addresses of regions elsewhere."""
        return [
            Route("/api/videos/{id}/recordings", self.recordings, methods=["GET"]),
            Route("/api/videos/{id}/recordings", self.enter, methods=["POST"]),
            Route("/api/videos/{id}/rois/sources", self.sources, methods=["GET"]),
            Route("/api/videos/{id}/rois/copy", self.copy, methods=["POST"]),
        ]

    async def recordings(self, request: Request) -> Response:
        """Give the recordings of the database that the video is a file of, with the regions they have."""
        video = self._videos.video(request)
        found = await run_in_threadpool(self._recordings, video)
        return JSONResponse({"recordings": list(map(_recording, found))})

    def _recordings(self, video: OpenedVideo) -> list[RegionRecording]:
        return [] if self._stored is None else self._stored.recordings(video.path)

    async def enter(self, request: Request) -> Response:
        """Enter regions for a recording, where its entries still are of the version of `If-Match`."""
        video, body = self._videos.video(request), await body_of(request)
        seen = request.headers.get("if-match")
        if seen is None:
            return JSONResponse({"error": "If-Match is missing: the version that was read"}, 428)
        try:
            entry = await run_in_threadpool(self._enter, video, body, seen)
        except StaleVersionError as error:
            return JSONResponse({"error": str(error)}, 412)
        return JSONResponse(vars(entry), 201)

    def _enter(self, video: OpenedVideo, body: dict[str, Any], seen: str) -> RegionEntry:
        if self._stored is None:
            raise RequestError(
                "the server was not started on a database; start `facerhythm gui` without a path, or with "
                "the key of a recording"
            )
        rois = rois_from_mapping(body.get("rois"))
        recording, description = body.get("recording"), body.get("description") or ""
        if not isinstance(recording, str) or not isinstance(description, str):
            raise RequestError("the request names no recording, or its description is no text")
        place_on_video(rois, video.metadata, spacing_px=1)  # refuses what does not fit the frame
        return self._stored.enter(video.path, recording, rois, description, seen)

    async def sources(self, request: Request) -> Response:
        """Give the regions of other recordings that may fit the video."""
        video = self._videos.video(request)
        found = await run_in_threadpool(self._sources, video)
        return JSONResponse({"sources": found})

    def _sources(self, video: OpenedVideo) -> list[dict[str, str]]:
        sources = [*self._files.sources(video.path)]
        if self._stored is not None:
            sources += self._stored.sources(video.path)
        return [vars(one) for one in sources]

    async def copy(self, request: Request) -> Response:
        """Give regions of another recording, moved as the camera moved, and how well the pictures agree."""
        video, body = self._videos.video(request), await body_of(request)
        return JSONResponse(await run_in_threadpool(self._copy, video, str(body.get("source"))))

    def _copy(self, video: OpenedVideo, source: str) -> dict[str, Any]:
        of_files = source.startswith(("file-", "project-")) or self._stored is None
        rois, place = (self._files if of_files else self._stored).regions(source)  # type: ignore[union-attr]
        other = probe_video(place, frame_rate_hz=_NO_MATTER_HZ, allow_incomplete=True)
        return _copied(copy_rois(rois, other, video.metadata))


def _copied(found: CopiedRois) -> dict[str, Any]:
    alignment = found.alignment
    # the other recording in the pixels of this one, so that both can be shown in turn
    there = laid_over(found.image, cv2.invertAffineTransform(alignment.matrix))
    residual_px = alignment.residual_px
    return {
        "rois": rois_to_mapping(found.rois),
        "correlation": alignment.correlation,
        "least_correlation": LEAST_CORRELATION,
        "residual_px": residual_px if residual_px == residual_px else None,
        "largest_residual_px": LARGEST_RESIDUAL_PX,
        "turn_deg": alignment.turn_deg,
        "doubts": alignment.doubts(),
        "notes": found.notes,
        "pictures": {"own": _as_address(found.other), "other": _as_address(there)},
    }


def _as_address(image: Any) -> str:
    return f"data:image/png;base64,{base64.b64encode(as_picture(image, '.png')).decode()}"


def _recording(found: RegionRecording) -> dict[str, Any]:
    return {**vars(found), "entries": [vars(entry) for entry in found.entries]}
