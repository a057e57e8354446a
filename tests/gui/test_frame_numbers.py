"""The number that a page shows is that of the frame in the picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.gui.numbered_video import HEIGHT_PX, WIDTH_PX, number_in, write_numbered_video

pytestmark = [pytest.mark.browser]

SEEKS = """
async ([number, width, height]) => {
  const { openFrames } = await import(new URL("static/common/frames.js", document.baseURI));
  const { videos } = await (await fetch("api/opened")).json();
  window.frames_ ??= await openFrames(videos[0].id);
  await window.frames_.seek(number);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(window.frames_.image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return [window.frames_.way, window.frames_.number, Array.from(data.filter((_, k) => k % 4 === 0))];
}
"""
KINDS = {
    "mp4": (".mp4", {}, "video"),
    "uneven": (".mp4", {"stamps": "uneven"}, "pictures"),
    "avi": (".avi", {"codec": "mjpeg"}, "pictures"),
    "mkv": (".mkv", {}, "pictures"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_shown_number_is_decoded_number(
    kind: str, serve: Callable[..., Any], tab: Any, tmp_path: Path
) -> None:
    suffix, options, way = KINDS[kind]
    n_frames, n_seeks = 400, 130
    write_numbered_video(tmp_path / f"numbered{suffix}", n_frames, **options)
    random = np.random.default_rng(1)
    with serve(tmp_path / f"numbered{suffix}") as server:
        page = tab.open(server.address)
        for number in [0, n_frames - 1, *random.integers(0, n_frames, n_seeks).tolist()]:
            shown_by, shown, pixels = page.evaluate(SEEKS, [number, WIDTH_PX, HEIGHT_PX])
            picture = np.array(pixels).reshape(HEIGHT_PX, WIDTH_PX)
            assert (shown, number_in(picture)) == (number, number)
            assert shown_by == way


def test_a_player_that_shows_other_frames_is_not_used(
    serve: Callable[..., Any], tab: Any, numbered: Path
) -> None:
    """The file is played at another rate than the server says: the check at opening must see that."""
    with serve(numbered) as server:
        page = tab.page

        def at_wrong_rate(route: Any) -> None:
            answer = route.fetch()
            facts = {**answer.json(), "frame_rate_hz": 61.0}
            route.fulfill(response=answer, json=facts)

        page.route("**/api/videos/*", at_wrong_rate)
        tab.open(server.address)
        for number in (3, 150, 290):
            way, _, pixels = page.evaluate(SEEKS, [number, WIDTH_PX, HEIGHT_PX])
            assert way == "pictures"
            assert number_in(np.array(pixels).reshape(HEIGHT_PX, WIDTH_PX)) == number
        page.unroute("**/api/videos/*")
