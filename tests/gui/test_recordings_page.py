"""All recordings at a glance: ten thousand of them, filtered, sorted, brushed, opened."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from element_facerhythm.gui.access import Access
from element_facerhythm.gui.opened import Opened
from element_facerhythm.gui.recordings import Column
from element_facerhythm.pipeline.results.at_a_glance import LEVELS

pytestmark = [pytest.mark.browser]

N_RECORDINGS = 10_000


class Many:
    """As many recordings as a lab has after years, with numbers that are known."""

    def __init__(self) -> None:
        random = np.random.default_rng(11)
        self.duration_s = random.uniform(10, 4000, N_RECORDINGS).tolist()
        self.fraction = random.uniform(0, 0.2, N_RECORDINGS).tolist()
        self.verdicts = random.choice(LEVELS, N_RECORDINGS).tolist()
        self.names = [f"mouse{n % 97} session {n}" for n in range(N_RECORDINGS)]

    def columns(self) -> list[Column]:
        return [
            Column("recording", "", self.names),
            Column("verdict", "", self.verdicts),
            Column("duration_s", "s", self.duration_s),
            Column("violation_fraction", "", [None, *self.fraction[1:]]),
        ]

    def checks(self, row: int) -> list[dict[str, Any]]:
        return [{"name": "drift", "value": float("nan"), "threshold": 1.0, "verdict": "red",
                 "message": f"recording {row} drifts"}]  # fmt: skip

    def project_dir(self, row: int) -> Path:
        raise AssertionError(row)


@dataclass(frozen=True)
class Served:
    address: str


@contextmanager
def served(recordings: Any) -> Iterator[Served]:
    """The application in this process, on a free port."""
    import uvicorn

    from element_facerhythm.gui.application import make_application

    access = Access()
    config = uvicorn.Config(
        make_application(Opened(), access, recordings), port=0, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}/?token={access.token}")
    server.should_exit = True
    thread.join(30)


def shown(page: Any) -> Sequence[str]:
    """Names of the rows in the page, from top to bottom."""
    lines = page.evaluate(
        """() => [...document.querySelectorAll(".line")].map((line) =>
          [parseFloat(line.style.top), line.firstElementChild.textContent])"""
    )
    return [name for _, name in sorted(lines)]


def test_rows_are_filtered_sorted_and_brushed(tab: Any) -> None:
    many = Many()
    with served(many) as server:
        page = tab.open(server.address)
        page.locator(".line").first.wait_for()
        assert page.url.endswith("/recordings")
        assert page.inner_text("#count") == "10000 of 10000"
        assert page.locator(".line").count() < 80  # those that are to be seen, and a few more

        page.get_by_role("button", name="duration s").click()
        page.get_by_role("button", name="duration s").click()
        longest = np.argsort(many.duration_s)[::-1]
        page.locator(".line").first.filter(has_text=many.names[longest[0]]).wait_for()
        assert shown(page)[:20] == [many.names[row] for row in longest[:20]]

        page.get_by_role("searchbox").fill("mouse7 session")
        page.get_by_role("checkbox", name="ok", exact=True).uncheck()
        wanted = [
            row for row in longest if "mouse7" in many.names[row] and many.verdicts[row] != "ok"
        ]
        page.locator("#count").filter(has_text=re.compile(f"^{len(wanted)} of")).wait_for()
        assert shown(page)[:10] == [many.names[row] for row in wanted[:10]]

        page.keyboard.press("Escape")
        page.get_by_role("searchbox").fill("")
        page.get_by_role("checkbox", name="ok", exact=True).check()
        box = page.locator("#scatter").bounding_box()
        middle = box["x"] + 50 + (box["width"] - 60) / 2
        page.mouse.move(middle, box["y"] + 2)
        page.mouse.down()
        page.mouse.move(middle + 40, box["y"] + 40)
        page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] - 1)
        page.mouse.up()
        long = [row for row in range(1, N_RECORDINGS) if many.duration_s[row] > 2005]
        page.wait_for_timeout(200)
        n_brushed = int(page.inner_text("#count").split()[0])
        assert abs(n_brushed - len(long)) < 60  # half a pixel of the screen
        page.close()


def test_checks_of_a_recording_are_told(tab: Any) -> None:
    with served(Many()) as server:
        page = tab.open(server.address)
        page.locator(".line").nth(3).click()
        row = shown(page)[3].split()[-1]
        page.get_by_text(f"recording {row} drifts").wait_for()
        page.keyboard.press("ArrowDown")
        following = shown(page)[4].split()[-1]
        page.get_by_text(f"recording {following} drifts").wait_for()
        page.close()
