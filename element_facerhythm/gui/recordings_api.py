"""What the page of all recordings asks."""

from __future__ import annotations

import math
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from element_facerhythm.errors import RequestError
from element_facerhythm.gui.opened import Opened
from element_facerhythm.gui.recordings import Recordings

_DIGITS = 6


class RecordingsApi:
    """Answers about all recordings.

    Parameters
    ----------
    opened
        Projects that are looked at are added to it.
    recordings
        Where the rows come from.
    """

    def __init__(self, opened: Opened, recordings: Recordings) -> None:
        self._opened, self._recordings = opened, recordings
        self._n_rows = 0

    def routes(self) -> list[Route]:
        """Return the addresses below `/api/recordings`."""
        return [
            Route("/api/recordings", self.table),
            Route("/api/recordings/{row:int}/checks", self.checks),
            Route("/api/recordings/{row:int}/project", self.project),
            Route("/api/recordings/{row:int}/videos", self.videos),
        ]

    async def table(self, _request: Request) -> Response:
        """Give all rows, column by column."""
        columns = await run_in_threadpool(self._recordings.columns)
        self._n_rows = len(columns[0].values)
        return JSONResponse(
            {
                "columns": [
                    {"name": one.name, "unit": one.unit, "values": list(map(_plain, one.values))}
                    for one in columns
                ]
            }
        )

    async def checks(self, request: Request) -> Response:
        """Give the checks of one recording."""
        found = await run_in_threadpool(self._recordings.checks, self._row(request))
        checks = [{name: _plain(value) for name, value in one.items()} for one in found]
        return JSONResponse({"checks": checks})

    async def project(self, request: Request) -> Response:
        """Open the project of one recording; where it lies in a store alone, it is fetched."""
        directory = await run_in_threadpool(self._recordings.project_dir, self._row(request))
        project = await run_in_threadpool(self._opened.add_project, directory)
        return JSONResponse({"project": project.id})

    async def videos(self, request: Request) -> Response:
        """Open the videos of one recording, to draw on."""
        paths = await run_in_threadpool(self._recordings.videos, self._row(request))
        return JSONResponse({"videos": [self._opened.add_video(path).id for path in paths]})

    def _row(self, request: Request) -> int:
        row = int(request.path_params["row"])
        if row >= self._n_rows:
            raise RequestError(f"there is no recording {row}; load the page again")
        return row


def _plain(value: Any) -> Any:
    """Value for JSON, which has no NaN; numbers are rounded to what a table shows."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value if value is None or isinstance(value, (int, str)) else str(value)
