"""The pages in a real browser: how long until they show something, how long a frame takes, what they weigh.

``python -m benchmarks.pages [--quick]``. Chromium, headless, on this machine: a video of 640 x 480 with a
keyframe every 250 frames, once as mp4 that the browser decodes itself and once as mkv whose frames the server
sends. Goals: a frame that is sought within 100 ms (median) and 300 ms (worst), a key within 50 ms, first
paint within 1 s, scripts and styles below 500 kB, the server below 300 MB.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.common import REPOSITORY_DIR, write_result
from benchmarks.scenes import face_video

N_SEEKS, N_STEPS = 200, 100
RATE_HZ, KEYFRAME_EVERY = 100, 250
GOALS = {
    "seek_median_ms": 100.0,
    "seek_worst_ms": 300.0,
    "step_median_ms": 50.0,
    "first_paint_ms": 1000.0,
    "page_kb": 500.0,
    "server_mb": 300.0,
}
_TIMES = """
async ([numbers, isStep]) => {
  const { openFrames } = await import(new URL("static/common/frames.js", document.baseURI));
  const { videos } = await (await fetch("api/opened")).json();
  window.frames_ ??= await openFrames(videos[0].id);
  const canvas = new OffscreenCanvas(640, 480);
  const context = canvas.getContext("2d");
  const times = [];
  if (isStep) await window.frames_.seek(0);
  for (const number of numbers) {
    const begin = performance.now();
    await (isStep ? window.frames_.step(number) : window.frames_.seek(number));
    context.drawImage(window.frames_.image, 0, 0, 640, 480);
    times.push(performance.now() - begin);
  }
  return [window.frames_.way, times];
}
"""
_DRAG = """
async (n) => {
  const geometry = await import(new URL("static/draw/geometry.js", document.baseURI));
  const vertices = geometry.ellipse([120, 80], [520, 400], 12);
  const begin = performance.now();
  for (let k = 0; k < n; k++) {
    vertices[0][0] = 500 + (k % 20);
    const mask = geometry.seedMask([{ kind: "points", vertices }], 480, 640);
    geometry.seedGrid(mask, 480, 640, 10);
  }
  return (performance.now() - begin) / n;
}
"""

_WEIGHT = """
() => performance.getEntriesByType("resource").filter((one) => /[.](js|css)$/.test(one.name))
  .reduce((sum, one) => sum + one.encodedBodySize, 0)
"""


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames, few seeks")
    quick = parser.parse_args().quick
    bench = face_video(120 if quick else 6000)
    measured = {}
    with tempfile.TemporaryDirectory() as directory:
        for kind in ("mp4", "mkv"):
            video = Path(directory) / f"face.{kind}"
            _coded_again(bench.video, video)
            measured[kind] = measure(video, 10 if quick else N_SEEKS, 10 if quick else N_STEPS)
            print(f"  {kind}: {measured[kind]}")
    worst = {name: max(one[name] for one in measured.values()) for name in GOALS}
    result = {
        "video": bench.name,
        "measured": measured,
        "goals": GOALS,
        "reached": {name: worst[name] <= goal for name, goal in GOALS.items()},
    }
    print(write_result("pages", result))


def measure(video: Path, n_seeks: int, n_steps: int) -> dict[str, Any]:
    """Open the page for drawing on a video, and look at frames.

    Parameters
    ----------
    video
        The video.
    n_seeks, n_steps
        Frames anywhere in it, and frames one after the other.
    """
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program is not None, "install chromium"
    with _server(video) as (address, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.wait_for_selector("#n-points")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        n_frames = int(page.locator("input[aria-label=Frame]").get_attribute("max")) + 1
        random = np.random.default_rng(3)
        way, seeks = page.evaluate(_TIMES, [random.integers(0, n_frames, n_seeks).tolist(), False])
        _, steps = page.evaluate(_TIMES, [[1] * n_steps, True])
        weight = page.evaluate(_WEIGHT)
        drag = page.evaluate(_DRAG, 30)
        memory = process.memory_info().rss
        browser.close()
    return {
        "frames_by": way,
        "first_paint_ms": paint,
        "seek_median_ms": statistics.median(seeks),
        "seek_worst_ms": max(seeks),
        "step_median_ms": statistics.median(steps),
        "grid_while_dragging_ms": drag,
        "page_kb": weight / 1000,
        "server_mb": memory / 1e6,
    }


@contextmanager
def _server(video: Path) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "element_facerhythm", "gui", str(video), "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY_DIR
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), psutil.Process(process.pid)
        process.send_signal(signal.SIGINT)


def _coded_again(source: Path, target: Path) -> None:
    """Encode the frames at a constant rate, as a camera's software would."""
    import av

    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream("libx264", rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        stream.options = {"crf": "18", "g": str(KEYFRAME_EVERY), "preset": "veryfast"}
        for number, frame in enumerate(old.decode(video=0)):
            frame.pts, frame.time_base = number, Fraction(1, RATE_HZ)
            new.mux(stream.encode(frame))
        new.mux(stream.encode(None))


if __name__ == "__main__":
    main()
