"""Pages as axe judges them, in both colour schemes, at a desk and on a telephone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GRAVE = ("serious", "critical")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(
    width: int, scheme: str, serve: Callable[..., Any], tab: Any, face: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = tab.page
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    with serve(face) as server:
        tab.open(server.address)
        page.locator("#hint").filter(has_text="click the vertices").wait_for()
        page.get_by_role("button", name="Rectangle").click()
        box = page.locator("#canvas").bounding_box()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.4 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"])
        page.mouse.up()
        found = Axe().run(page).response["violations"]
    grave = [
        (one["id"], one["help"], [node["html"][:120] for node in one["nodes"]])
        for one in found
        if one["impact"] in GRAVE
    ]
    assert grave == []
