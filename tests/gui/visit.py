"""The page for looking at results in a browser, with what it said and asked for."""

import time
from typing import Any

from tests.gui.look_scene import BIT_PX, HEIGHT, N_BITS
from tests.gui.server import Server

READ_CODE = f"""() => {{
  const picture = document.getElementById("picture").getContext("2d");
  let number = 0;
  for (let bit = 0; bit < {N_BITS}; bit++) {{
    const [level] = picture.getImageData(bit * {BIT_PX} + {BIT_PX // 2}, {HEIGHT - BIT_PX // 2}, 1, 1).data;
    if (level > 128) number += 2 ** bit;
  }}
  return [number, +document.getElementById("frame-number").dataset.frame];
}}"""


class Visit:
    """A page with what it said and asked for."""

    def __init__(self, browser: Any, server: Server, address: str, **options: Any) -> None:
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, **options}
        )
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        self.page.on(
            "console",
            lambda m: self.faults.append(m.text) if m.type in ("error", "warning") else None,
        )
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("requestfailed", self._note_failure)
        self.page.on(
            "request", lambda r: self.hosts.add(r.url.split("/")[2]) if "//" in r.url else None
        )
        self.page.goto(address)
        self.wait("document.body.dataset.ready === 'yes'", timeout_s=60)

    def wait(self, expression: str, arg: Any = None, timeout_s: float = 20) -> None:
        """Wait until an expression holds; Playwright's own way is what the page's content policy forbids."""
        end = time.monotonic() + timeout_s
        while not self.page.evaluate(expression, arg):
            assert time.monotonic() < end, f"{expression} does not hold; {self.faults}"
            self.page.wait_for_timeout(20)

    def _note_failure(self, request: Any) -> None:
        """Keep what failed, but for what the page or its video player has had enough of, and ended."""
        is_ours = "/api/projects/" in request.url or request.url.endswith("/file")
        if not (is_ours and request.failure == "net::ERR_ABORTED"):
            self.faults.append(f"{request.url} {request.failure}")

    def seek(self, frame: int) -> list[int]:
        """Go to a frame; the number in the picture, and the one that is written."""
        self.page.evaluate("frame => look.page.sequence.seek(frame)", frame)
        return self.page.evaluate(READ_CODE)
