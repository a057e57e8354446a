"""What pages ask of a video: facts, frames, the file itself, pictures behind a drawing."""

from __future__ import annotations

import threading
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from element_facerhythm.errors import RequestError
from element_facerhythm.gui.answers import number_in
from element_facerhythm.gui.backgrounds import KINDS, BackgroundStore, texture_picture
from element_facerhythm.gui.frames import FrameReader, as_picture, played_by_browsers
from element_facerhythm.gui.opened import Opened, OpenedVideo

_UNCHANGED = {"cache-control": "private, max-age=3600"}
_READERS_KEPT = 8


class VideoApi:
    """Answers about videos.

    Parameters
    ----------
    opened
        What may be asked for.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened, self._backgrounds = opened, BackgroundStore()
        self._readers: dict[str, FrameReader] = {}
        self._media_types: dict[str, str | None] = {}
        self._lock = threading.Lock()

    def routes(self) -> list[Route]:
        """Return the addresses below `/api/videos`."""
        return [
            Route("/api/videos/{id}", self.facts),
            Route("/api/videos/{id}/frames/{number:int}.jpg", self.frame),
            Route("/api/videos/{id}/file", self.file),
            Route("/api/videos/{id}/background/{kind}.png", self.background),
        ]

    def video(self, request: Request) -> OpenedVideo:
        """Return the video that a request names.

        Raises
        ------
        RequestError
            None of that name was opened.
        """
        video = self._opened.videos.get(request.path_params["id"])
        if video is None:
            raise RequestError("no video of that name was opened; start the server on it")
        return video

    def reader(self, video: OpenedVideo) -> FrameReader:
        """Return the reader of a video's frames; the last few are kept open."""
        with self._lock:
            reader = self._readers.pop(video.id, None) or FrameReader(video)
            self._readers[video.id] = reader
            while len(self._readers) > _READERS_KEPT:
                self._readers.pop(next(iter(self._readers)))
            return reader

    async def facts(self, request: Request) -> Response:
        """Give size, rate, number of frames, and whether the browser can play the file."""
        video = self.video(request)
        is_played = await run_in_threadpool(self._media_type, video) is not None
        return JSONResponse({**_facts(video), "is_played": is_played})

    async def frame(self, request: Request) -> Response:
        """Give one frame as JPEG."""
        reader = self.reader(self.video(request))
        number, width = request.path_params["number"], number_in(request, "width", 0)
        picture = await run_in_threadpool(reader.jpeg, number, width)
        return Response(picture, media_type="image/jpeg", headers=_UNCHANGED)

    async def file(self, request: Request) -> Response:
        """Give the file itself, or a range of its bytes."""
        video = self.video(request)
        media_type = await run_in_threadpool(self._media_type, video)
        if media_type is None:
            raise RequestError("browsers cannot play this file frame by frame; ask for its frames")
        return FileResponse(video.path, media_type=media_type)

    async def background(self, request: Request) -> Response:
        """Give mean, deviation, motion energy, or where there is texture, as PNG."""
        video, kind = self.video(request), request.path_params["kind"]
        picture = await run_in_threadpool(self._background, video, kind)
        return Response(picture, media_type="image/png", headers=_UNCHANGED)

    def _media_type(self, video: OpenedVideo) -> str | None:
        """Return what `played_by_browsers` says, found once: a player asks for many ranges of a file."""
        if video.id not in self._media_types:
            self._media_types[video.id] = played_by_browsers(video)
        return self._media_types[video.id]

    def _background(self, video: OpenedVideo, kind: str) -> bytes:
        if kind == "texture":
            return as_picture(texture_picture(self.reader(video), video), ".png")
        if kind not in KINDS:
            raise RequestError(f"{kind!r} is no background; expected {', '.join(KINDS)} or texture")
        return as_picture(getattr(self._backgrounds.of(video), kind), ".png")


def _facts(video: OpenedVideo) -> dict[str, Any]:
    metadata = video.metadata
    return {
        "id": video.id,
        "name": video.path.name,
        "path": str(video.path),
        "rois_path": str(video.rois_path),
        "project_dir": str(video.project_dir),
        "n_frames": metadata.n_frames,
        "frame_rate_hz": metadata.frame_rate_hz,
        "duration_s": metadata.duration_s,
        "width_px": metadata.width_px,
        "height_px": metadata.height_px,
        "codec": metadata.codec,
        "notes": list(metadata.remarks),
    }
