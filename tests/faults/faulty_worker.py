"""`facerhythm` with one fault built in, for the tests: a program, run by its path.

`FAULT_POINT` names the point (see `points`), `FAULT_ACTION` what happens the first time that it is come by:
`kill` (kill -9), `crash` (a segmentation fault) or `pause` (the file `reached` appears in `FAULT_DIR`, and
the process goes on when the file `go` is there).
"""

import os
import select
import signal
import sys
from pathlib import Path

from points import install  # beside this program


def main() -> None:
    # before any import starts a thread, as the command does
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    wanted, action = os.environ["FAULT_POINT"], os.environ["FAULT_ACTION"]
    directory = Path(os.environ["FAULT_DIR"])
    struck = False

    def reach(point: str) -> None:
        nonlocal struck
        if struck or point != wanted:
            return
        struck = True
        (directory / "reached").touch()
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        while not (directory / "go").exists():
            select.select([], [], [], 0.01)  # time.sleep fails where the clock is faked

    install(reach)
    from element_facerhythm.cli import main as facerhythm

    sys.argv[0] = "facerhythm"
    facerhythm()


if __name__ == "__main__":
    main()
