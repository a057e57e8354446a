"""Serving the pages: on a port of this machine, until stopped."""

from __future__ import annotations

import os
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import uvicorn

from element_facerhythm.errors import RequestError
from element_facerhythm.gui.access import LOOPBACK, Access
from element_facerhythm.gui.application import make_application
from element_facerhythm.gui.curations import Curations
from element_facerhythm.gui.look_query import ResultRows
from element_facerhythm.gui.opened import Opened
from element_facerhythm.gui.recordings import Recordings
from element_facerhythm.gui.region_sets import StoredRegions

_BACKLOG = 128


@dataclass(frozen=True)
class Serving:
    """Where the server listens.

    Attributes
    ----------
    host, port
        Address; port 0 is a free one.
    root_path
        Path below which a proxy serves it, as `/user/me/proxy/8000`.
    read_only
        Nothing may be changed or run.
    opens_browser
        Whether a browser is opened at its address.
    """

    host: str = "127.0.0.1"
    port: int = 0
    root_path: str = ""
    read_only: bool = False
    opens_browser: bool = True


def serve(
    opened: Opened,
    serving: Serving,
    say: Callable[[str], None],
    recordings: Recordings | None = None,
    curations: Curations | None = None,
    rows: ResultRows | None = None,
    stored_regions: StoredRegions | None = None,
) -> None:
    """Serve until stopped by a signal.

    Parameters
    ----------
    opened
        What pages may ask for.
    serving
        Where, and what is allowed.
    say
        Called with the address, then with what else the user has to know, line by line.
    recordings
        Rows of the page of all recordings (default: the projects that are opened).
    curations
        Where decisions about components are kept (default: beside the projects).
    rows
        Where the rows of projects are found (default: there is no database).
    stored_regions
        Regions in a database (default: none).

    Raises
    ------
    RequestError
        The address cannot be had.
    """
    hosts = LOOPBACK if serving.host in LOOPBACK else ()
    access = Access(hosts=hosts, read_only=serving.read_only)
    listening = _listen(serving)
    port = listening.getsockname()[1]
    shown = "127.0.0.1" if serving.host == "0.0.0.0" else serving.host
    address = f"http://{shown}:{port}{serving.root_path}/?token={access.token}"
    say(address)
    for line in _remarks(serving, port):
        say(line)
    config = uvicorn.Config(
        make_application(opened, access, recordings, curations, rows, stored_regions),
        root_path=serving.root_path,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    if serving.opens_browser:
        threading.Timer(0.5, webbrowser.open, (address,)).start()
    with suppress(KeyboardInterrupt):  # the way to stop it; uvicorn has ended everything by then
        uvicorn.Server(config).run(sockets=[listening])


def _listen(serving: Serving) -> socket.socket:
    if not serving.host:
        raise RequestError(
            "the host is empty; 127.0.0.1 is this machine alone, 0.0.0.0 its networks"
        )
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((serving.host, serving.port))
        listening.listen(_BACKLOG)
    except (OSError, TypeError, ValueError) as error:  # names that are none are of the latter kinds
        listening.close()
        why = error.strerror if isinstance(error, OSError) else error
        raise RequestError(
            f"cannot listen to {serving.host!r} port {serving.port}: {why}; give another --host or --port, "
            "or 0 for a free one"
        ) from error
    return listening


def _remarks(serving: Serving, port: int) -> list[str]:
    """Return what the user has to know besides the address."""
    remarks = []
    if serving.host not in LOOPBACK:
        remarks.append(
            "Everybody in this network who has the address can read the videos"
            + ("." if serving.read_only else ", draw and start runs.")
        )
    elif os.environ.get("SSH_CONNECTION"):
        remarks.append(
            f"From your own machine: ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}, then open "
            "the address."
        )
    return [*remarks, "Stop with Ctrl-C."]
