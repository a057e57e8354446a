"""What the page asks to show and to make decisions about components, points and spans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from element_facerhythm.curation import (
    Curation,
    append,
    change_of_row,
    outdated_notes,
    replay,
    row_of_change,
    undo,
)
from element_facerhythm.curation.results import CuratedResult
from element_facerhythm.curation.state import of_product
from element_facerhythm.errors import CurationConflictError, RequestError
from element_facerhythm.files.account import account_name
from element_facerhythm.gui.answers import body_of
from element_facerhythm.gui.curations import Curations
from element_facerhythm.gui.opened import Opened

_HISTORY_SHOWN = 50


class CurationApi:
    """Answers about the curation of projects.

    Parameters
    ----------
    opened
        Projects that may be asked for.
    curations
        Where decisions are kept.
    """

    def __init__(self, opened: Opened, curations: Curations) -> None:
        self._opened, self._curations = opened, curations

    def routes(self) -> list[Route]:
        """Return the address of a project's curation."""
        path = "/api/projects/{id}/curation"
        return [
            Route(path, self.read, methods=["GET"]),
            Route(path, self.change, methods=["POST"]),
        ]

    async def read(self, request: Request) -> Response:
        """Give what holds, who decided it and when; the revision is the entity tag."""
        directory = self._directory(request)
        curation, result = await run_in_threadpool(self._curations.read, directory)
        return _answer(curation, result)

    async def change(self, request: Request) -> Response:
        """Add one change, or undo the last one, where the revision still is that of `If-Match`."""
        directory, body = self._directory(request), await body_of(request)
        seen = request.headers.get("if-match", "").strip('"')
        if not seen.isdigit():
            return JSONResponse({"error": "If-Match is missing: the revision that was read"}, 428)
        try:
            return await run_in_threadpool(self._change, directory, body, int(seen))
        except CurationConflictError as error:
            return JSONResponse({"error": str(error)}, 412)

    def _change(self, directory: Path, body: dict[str, Any], seen: int) -> Response:
        curation, result = self._curations.read(directory)
        if curation.revision != seen:
            raise CurationConflictError(
                f"somebody else has decided something meanwhile: there are {curation.revision} entries, and "
                f"there were {seen}. Look at it again, and repeat what you decide"
            )
        curator = str(body.get("curator") or account_name())
        if body.get("undo"):
            changed = undo(curation, curator)
        elif "change" in body:
            changed = append(curation, change_of_row(body["change"]), result, curator)
        else:
            raise RequestError("the request holds neither `change` nor `undo`")
        if changed.revision != curation.revision:
            self._curations.write(directory, changed, seen)
        return _answer(changed, result)

    def _directory(self, request: Request) -> Path:
        project = self._opened.projects.get(request.path_params["id"])
        if project is None:
            raise RequestError("no project of that name was opened; start the server on it")
        return project.directory


def _answer(curation: Curation, result: CuratedResult) -> Response:
    state = of_product(replay(curation.entries), result.sha256.values())
    return JSONResponse(
        {
            "revision": curation.revision,
            "curator": account_name(),
            "components": [
                {
                    "model_key": item.model_key,
                    "component_index": item.component_index,
                    "verdict": one.verdict,
                    "name": one.name,
                    "note": one.note,
                    "merged_into": one.merged_into,
                }
                for item, one in state.components.items()
            ],
            "spans": [
                {"video_index": one.video_index, "start_s": one.start_s, "end_s": one.end_s}
                for one in sorted(state.spans)
            ],
            "points": sorted(one.point_index for one in state.points),
            "notes": list(outdated_notes(curation, result)),
            "history": [
                {
                    "revision": entry.revision,
                    "curator": entry.curator,
                    "time": entry.time.isoformat(),
                    "change": row_of_change(entry.change),
                }
                for entry in curation.entries[-_HISTORY_SHOWN:]
            ],
        },
        headers={"etag": f'"{curation.revision}"'},
    )
