"""An address that cannot be had is refused before anything is served."""

import socket

import pytest

from element_facerhythm.errors import RequestError
from element_facerhythm.gui.opened import Opened
from element_facerhythm.gui.serve import Serving, serve


def refuse(line: str) -> None:
    raise AssertionError(f"it serves: {line}")


@pytest.mark.parametrize(
    "host", ["", "no.such.host.invalid", "a\0b", "256.1.1.1", "\ud800", "x" * 500, "*"]
)
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(RequestError, match=r"host|listen"):
        serve(Opened(), Serving(host=host, opens_browser=False), refuse)


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RequestError, match=f"port {port}: Address already in use"):
            serve(Opened(), Serving(port=port, opens_browser=False), refuse)
