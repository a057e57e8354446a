"""What the page for drawing asks: regions checked, proposed, read and saved; runs started and followed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from element_facerhythm.errors import RequestError
from element_facerhythm.gui.answers import array_answer, body_of
from element_facerhythm.gui.opened import Opened, OpenedVideo
from element_facerhythm.gui.roi_file_store import StaleVersionError, read_roi_file, save_roi_file
from element_facerhythm.gui.runs import RunOrder, Runs
from element_facerhythm.gui.tries import frequencies_of, tracks_of
from element_facerhythm.gui.video_api import VideoApi
from element_facerhythm.io.rois_file import rois_from_mapping, write_rois
from element_facerhythm.pipeline.roi_placing import counts_of, place_on_video
from element_facerhythm.pipeline.roi_proposal import propose_rois_for_video

_SETTING = re.compile(r"[\w.]{1,100}=[^\n]{1,200}")


class DrawApi:
    """Answers about regions of interest and runs.

    Parameters
    ----------
    opened
        Videos that may be asked for; projects that runs make are added.
    videos
        Answers about videos.
    runs
        Runs of this server.
    """

    def __init__(self, opened: Opened, videos: VideoApi, runs: Runs) -> None:
        self._opened, self._videos, self._runs = opened, videos, runs

    def routes(self) -> list[Route]:
        """Return the addresses of regions and runs."""
        return [
            Route("/api/videos/{id}/rois", self.read, methods=["GET"]),
            Route("/api/videos/{id}/rois", self.save, methods=["PUT"]),
            Route("/api/videos/{id}/rois/check", self.check, methods=["POST"]),
            Route("/api/videos/{id}/rois/propose", self.propose, methods=["POST"]),
            Route("/api/videos/{id}/frequencies", self.frequencies, methods=["GET"]),
            Route("/api/videos/{id}/runs", self.start, methods=["POST"]),
            Route("/api/runs", self.list_runs, methods=["GET"]),
            Route("/api/runs/{run}", self.state, methods=["GET"]),
            Route("/api/runs/{run}", self.cancel, methods=["DELETE"]),
            Route("/api/runs/{run}/events", self.events, methods=["GET"]),
            Route("/api/runs/{run}/tracks", self.tracks, methods=["GET"]),
        ]

    async def read(self, request: Request) -> Response:
        """Give the video's ROI file, null where there is none; its version is the entity tag."""
        video = self._videos.video(request)
        value, version = await run_in_threadpool(read_roi_file, video.rois_path)
        return JSONResponse(
            {"rois": value, "path": str(video.rois_path)}, headers={"etag": version}
        )

    async def save(self, request: Request) -> Response:
        """Write the ROI file, where it is still the version that `If-Match` names."""
        video, value = self._videos.video(request), await body_of(request)
        seen = request.headers.get("if-match")
        if seen is None:
            return JSONResponse({"error": "If-Match is missing: the version that was read"}, 428)
        try:
            version = await run_in_threadpool(save_roi_file, video.rois_path, value, seen)
        except StaleVersionError as error:
            return JSONResponse({"error": str(error)}, 412)
        return JSONResponse({"path": str(video.rois_path)}, headers={"etag": version})

    async def check(self, request: Request) -> Response:
        """Count points and those with nothing to follow, as `facerhythm rois check` does."""
        video, body = self._videos.video(request), await body_of(request)
        return JSONResponse(await run_in_threadpool(self._check, video, body))

    def _check(self, video: OpenedVideo, body: dict[str, Any]) -> dict[str, Any]:
        rois, metadata = rois_from_mapping(body.get("rois")), video.metadata
        placed, spacing = place_on_video(rois, metadata, body.get("spacing_px"))
        frame = self._videos.reader(video).rgb(metadata.n_frames // 2)
        return {"spacing_px": spacing, **counts_of(placed, frame)}

    async def propose(self, request: Request) -> Response:
        """Regions from where the video moves, as `facerhythm rois propose` gives them."""
        video = self._videos.video(request)
        return JSONResponse(await run_in_threadpool(_proposal, video))

    async def frequencies(self, request: Request) -> Response:
        """Give the frequencies that a run of the whole video would take, and what limits them."""
        video = self._videos.video(request)
        settings = [line for line in request.query_params.get("settings", "").split("\n") if line]
        return JSONResponse(await run_in_threadpool(frequencies_of, video.metadata, settings))

    async def start(self, request: Request) -> Response:
        """Run the analysis: of the saved ROI file, or to try it on a span, of regions that are not saved."""
        video, body = self._videos.video(request), await body_of(request)
        run = await run_in_threadpool(self._start, video, body)
        return JSONResponse(run.as_json(), 201)

    def _start(self, video: OpenedVideo, body: dict[str, Any]) -> Any:
        settings = tuple(map(str, body.get("settings") or ()))
        wrong = next((text for text in settings if not _SETTING.fullmatch(text)), None)
        if wrong is not None:
            raise RequestError(f"{wrong!r} is no setting; expected SECTION.KEY=VALUE")
        if not body.get("is_try"):
            if not video.rois_path.exists():
                raise RequestError("save the regions first: a run is made of their file")
            return self._runs.start(
                RunOrder(video.path, video.rois_path, video.project_dir, None, settings)
            )
        first, stop = _span(body.get("frames"), video.metadata.n_frames)
        number = len(self._runs.all()) + 1
        directory = self._runs.scratch / f"try-{number}"
        rois_path = self._runs.scratch / f"try-{number}.rois.json"
        write_rois(rois_from_mapping(body.get("rois")), rois_path)
        order = RunOrder(video.path, rois_path, directory, (first, stop), settings, figures=False)
        return self._runs.start(order)

    async def list_runs(self, _request: Request) -> Response:
        """All runs of this server."""
        return JSONResponse({"runs": [run.as_json() for run in self._runs.all()]})

    async def state(self, request: Request) -> Response:
        """How far a run is; when it is done, with the identifier of its project."""
        run = self._runs.get(request.path_params["run"])
        return JSONResponse(await run_in_threadpool(self._with_project, run.as_json()))

    async def cancel(self, request: Request) -> Response:
        """Stop a run."""
        self._runs.cancel(request.path_params["run"])
        return JSONResponse(self._runs.get(request.path_params["run"]).as_json())

    async def events(self, request: Request) -> Response:
        """Server-sent events: the state of a run whenever it changes, until it is over."""
        run_id = request.path_params["run"]
        self._runs.get(run_id)

        def messages() -> Iterator[str]:
            for state in self._runs.follow(run_id):
                yield f"data: {json.dumps(self._with_project(state))}\n\n"

        return StreamingResponse(
            messages(), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    async def tracks(self, request: Request) -> Response:
        """Give the tracks and the spectrum of a span that was tried."""
        run = self._runs.get(request.path_params["run"])
        if run.state != "done" or run.order.frames is None:
            raise RequestError(f"run {run.id} has no tracks of a span: it is {run.state}")
        first = run.order.frames[0]
        arrays, facts = await run_in_threadpool(tracks_of, run.order.project_dir, first)
        return array_answer(arrays, facts)

    def _with_project(self, state: dict[str, Any]) -> dict[str, Any]:
        is_try = Path(state["project_dir"]).parent == self._runs.scratch  # it ends with the server
        if state["state"] != "done" or is_try:
            return {**state, "project": None}
        project = self._opened.add_project(Path(state["project_dir"]))
        return {**state, "project": project.id}


def _proposal(video: OpenedVideo) -> dict[str, Any]:
    rois, report = propose_rois_for_video(video.metadata.path, video.metadata.n_frames)
    return {
        "points": [polygon.tolist() for polygon in rois.seed_polygons],
        "mask": [polygon.tolist() for polygon in rois.mask_polygons],
        "energy_fraction": report.energy_fraction,
    }


def _span(frames: Any, n_frames: int) -> tuple[int, int]:
    """First frame and the one after the last that a request names.

    Raises
    ------
    RequestError
        They are no two numbers within the video.
    """
    is_span = isinstance(frames, list) and len(frames) == 2 and all(type(n) is int for n in frames)
    if not is_span or not 0 <= frames[0] < frames[1] <= n_frames:
        raise RequestError(
            f"frames is {frames!r}; expected [first, one after the last] within 0 to {n_frames}"
        )
    return frames[0], frames[1]
