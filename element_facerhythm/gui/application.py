"""The application that the server serves: pages, and what they ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from element_facerhythm.errors import FaceRhythmError
from element_facerhythm.gui.access import Access, Gate
from element_facerhythm.gui.answers import error_answer
from element_facerhythm.gui.curation_api import CurationApi
from element_facerhythm.gui.curations import CurationFiles, Curations
from element_facerhythm.gui.draw_api import DrawApi
from element_facerhythm.gui.look_api import LookApi
from element_facerhythm.gui.look_query import ResultRows
from element_facerhythm.gui.opened import Opened
from element_facerhythm.gui.recordings import OpenedRecordings, Recordings
from element_facerhythm.gui.recordings_api import RecordingsApi
from element_facerhythm.gui.region_api import RegionApi
from element_facerhythm.gui.region_sets import RegionFiles, StoredRegions
from element_facerhythm.gui.runs import Runs
from element_facerhythm.gui.video_api import VideoApi

PAGES_DIR = Path(__file__).parent / "pages"
PAGES = ("draw", "look", "recordings")


def make_application(
    opened: Opened,
    access: Access,
    recordings: Recordings | None = None,
    curations: Curations | None = None,
    rows: ResultRows | None = None,
    stored_regions: StoredRegions | None = None,
) -> Starlette:
    """Return the application.

    Parameters
    ----------
    opened
        What pages may ask for.
    access
        Who may ask.
    recordings
        Rows of the page of all recordings (default: the projects that are opened).
    curations
        Where decisions about components are kept (default: beside the projects).
    rows
        Where the rows of projects are found (default: there is no database).
    stored_regions
        Regions in a database (default: none).
    """
    overview = RecordingsApi(opened, recordings or OpenedRecordings(opened))
    runs = Runs()
    videos = VideoApi(opened)
    draw = DrawApi(opened, videos, runs)
    regions = RegionApi(videos, RegionFiles(opened), stored_regions)
    look = LookApi(opened, rows)
    curation = CurationApi(opened, curations or CurationFiles())

    @asynccontextmanager
    async def until_closed(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(look.close)
        await run_in_threadpool(runs.close)

    async def what_is_opened(_request: Request) -> Response:
        return JSONResponse(_opened_as_json(opened, access))

    return Starlette(
        routes=[
            Route("/", _first_page(opened, recordings)),
            *(Route(f"/{name}", _page(name)) for name in PAGES),
            Route("/api/health", _health),
            Route("/api/opened", what_is_opened),
            *videos.routes(),
            *draw.routes(),
            *regions.routes(),
            *look.routes(),
            *curation.routes(),
            *overview.routes(),
            Mount("/static", StaticFiles(directory=PAGES_DIR)),
        ],
        middleware=[Middleware(Gate, access=access)],
        exception_handlers={FaceRhythmError: error_answer},
        lifespan=until_closed,
    )


async def _health(_request: Request) -> Response:
    return JSONResponse({"ok": True})


def _page(name: str):  # type: ignore[no-untyped-def]
    async def page(_request: Request) -> Response:
        return FileResponse(PAGES_DIR / f"{name}.html", headers={"cache-control": "no-cache"})

    return page


def _first_page(opened: Opened, recordings: Recordings | None):  # type: ignore[no-untyped-def]
    """Page that fits what was opened, by an address that holds below any base path."""

    async def first(_request: Request) -> Response:
        is_all = recordings is not None and not opened.videos
        name = "recordings" if is_all else first_page(opened)
        return RedirectResponse(name, 303)

    return first


def first_page(opened: Opened) -> str:
    """Return the relative address of the page that fits what was opened: one project is looked at."""
    if len(opened.projects) == 1:
        return f"look?project={next(iter(opened.projects))}"
    return "draw" if opened.videos and not opened.projects else "recordings"


def _opened_as_json(opened: Opened, access: Access) -> dict[str, object]:
    return {
        "read_only": access.read_only,
        "notes": opened.notes,
        "videos": [{"id": video.id, "name": video.path.name} for video in opened.videos.values()],
        "projects": [
            {"id": project.id, "name": project.directory.name, "videos": project.videos}
            for project in opened.projects.values()
        ],
    }
