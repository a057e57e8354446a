"""A MySQL server that can be killed, and a way to it that can be cut."""

import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from tests.db.conftest import find_mysqld, free_port, initialise_command, wait_until_ready


class MysqlServer:
    """A private server; its data outlive it until `close`."""

    def __init__(self, *options: str) -> None:
        program = find_mysqld()
        assert program is not None, "no MySQL server can be had on this machine"
        self.home = Path(tempfile.mkdtemp(prefix="facerhythm-faults-"))
        self.port = free_port()
        users = "".join(
            f"CREATE USER IF NOT EXISTS 'dj'@'{host}' IDENTIFIED BY 'dj';\n"
            f"GRANT ALL ON *.* TO 'dj'@'{host}' WITH GRANT OPTION;\n"
            for host in ("localhost", "%")
        )
        (self.home / "init.sql").write_text(users)
        user = ["--user=root"] if os.geteuid() == 0 else []
        common = [program, "--no-defaults", f"--datadir={self.home / 'data'}", *user]
        self._command = [
            *common, f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.home / 's'}",
            f"--init-file={self.home / 'init.sql'}", f"--pid-file={self.home / 'pid'}", *options,
        ]  # fmt: skip
        with self._log() as log:
            subprocess.run(
                initialise_command(program, common, self.home),
                check=True, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self._log() as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        wait_until_ready(self._process, self.port, self.home / "log")

    def kill(self) -> None:
        """Kill -9 it, as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)
        shutil.rmtree(self.home, ignore_errors=True)

    def _log(self):
        return (self.home / "log").open("a")


class Proxy:
    """A port that leads to another one, until it is cut (connections reset, new ones refused)."""

    def __init__(self, target_port: int) -> None:
        self.target = ("127.0.0.1", target_port)
        self.port = free_port()
        self._selector = selectors.DefaultSelector()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._over = False
        self.mend()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        with self._lock:
            if self._listener is not None:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None
            for end in list(self._pairs):
                self._close(end)

    def mend(self) -> None:
        """Let connections through again."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        with self._lock:
            self._listener = listener
            self._selector.register(listener, selectors.EVENT_READ)

    def close(self) -> None:
        self.cut()
        self._over = True
        self._thread.join()
        self._selector.close()

    def _run(self) -> None:
        while not self._over:
            for ready, _ in self._selector.select(timeout=0.1):
                with self._lock:
                    if ready.fileobj is self._listener:
                        self._accept()
                    elif ready.fileobj in self._pairs:
                        self._forward(ready.fileobj)

    def _accept(self) -> None:
        assert self._listener is not None
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self.target)
        except OSError:
            client.close()
            return
        for end, other in ((client, server), (server, client)):
            self._pairs[end] = other
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, end: socket.socket) -> None:
        try:
            data = end.recv(1 << 16)
            if data:
                self._pairs[end].sendall(data)
                return
        except OSError:
            data = b""
        self._close(end)

    def _close(self, end: socket.socket) -> None:
        other = self._pairs.pop(end, None)
        if other is None:
            return
        self._pairs.pop(other, None)
        for one in (end, other):
            self._selector.unregister(one)
            one.close()
