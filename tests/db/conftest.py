"""Database servers for the tests, and one child run of `on_server/` and one of `upgrade/` for each of them.

DataJoint keeps one connection per process, so the tests of the tables run in a process of their own for each
kind of server: `test_on_postgresql.py` and its neighbours start them, or by hand

    FACERHYTHM_TEST_DATABASE=mysql pytest tests/db/on_server

PostgreSQL is the embedded one in a private directory. For MySQL, the server that `DJ_HOST` names is used,
else a `mysqld` or `mariadbd` of this machine, started on a free port and stopped afterwards; as root on
Debian one is installed. Where none can be had, the run says so at its end; FACERHYTHM_REQUIRE_MYSQL=1 makes
that a failure.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests import debian
from tests.conftest import NOTES, leave_out

KIND = os.environ.get("FACERHYTHM_TEST_DATABASE")
SERVERS = ("postgresql", "mysql")
LONGEST = (
    "test_on_mysql.py",
    "test_on_postgresql.py",
    "test_upgrades_and_stores.py",
    "test_lab_cases.py",
    "test_roles.py",
)
START_TIMEOUT_S = 60

if KIND is None:
    collect_ignore = ["on_server", "stores", "upgrade"]
    if "FACERHYTHM_LAB_CASES" not in os.environ:
        collect_ignore.append("test_lab_cases.py")
elif KIND not in SERVERS:
    raise pytest.UsageError(
        f"FACERHYTHM_TEST_DATABASE={KIND}: expected one of {', '.join(SERVERS)}"
    )


@pytest.hookimpl(trylast=True)  # after -m and -k: what is not asked for installs nothing
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a MySQL where no server can be had, and say so; the longest tests come first."""
    items.sort(key=lambda item: (*LONGEST, item.path.name).index(item.path.name))
    require = os.environ.get("FACERHYTHM_REQUIRE_MYSQL") == "1"
    own_items = [item for item in items if "tls_database" in getattr(item, "fixturenames", ())]
    if own_items and not require and find_mysqld() is None:
        leave_out(
            config, items, own_items, "TLS was not tested: no MySQL server is on this machine."
        )
    mysql_items = [item for item in items if item.get_closest_marker("mysql")]
    if not mysql_items or require or can_have_mysql():
        return
    leave_out(
        config, items, mysql_items,
        "The tables were tested on PostgreSQL ALONE: no MySQL server is configured (DJ_HOST ...), and "
        "neither mysqld nor mariadbd is on this machine. Install one of them and run again.",
    )  # fmt: skip


@pytest.fixture(scope="session")
def summary(request: pytest.FixtureRequest) -> list[str]:
    """Lines to print at the end of the run."""
    return request.config.stash[NOTES]


# ------------------------------------------------------------------ servers


@contextmanager
def serve(kind: str) -> Iterator[dict[str, str]]:
    """Have a server of a kind; yields the `DJ_*` variables that lead to it."""
    if kind == "postgresql":
        with serve_postgresql() as variables:
            yield variables
    elif mysql_is_configured():
        yield {name: value for name, value in os.environ.items() if name.startswith("DJ_")}
    else:
        with serve_mysql() as variables:
            yield variables


@contextmanager
def serve_postgresql() -> Iterator[dict[str, str]]:
    """Start an embedded PostgreSQL in a directory of its own; delete it afterwards."""
    from element_facerhythm.database import embedded

    with (
        tempfile.TemporaryDirectory(prefix="facerhythm-pg-") as directory,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("FACERHYTHM_EMBEDDED_DIR", f"{directory}/server")
        database = embedded.start()
        forget_on_power_cut(database.url)
        try:
            yield {
                "DJ_BACKEND": "postgresql",
                "DJ_HOST": database.host,
                "DJ_PORT": str(database.port),
                "DJ_USER": database.user,
                "DJ_PASS": database.password,
                "DJ_DATABASE_NAME": database.database,
                "DJ_USE_TLS": "false",
            }
        finally:
            embedded.destroy()


def forget_on_power_cut(url: str) -> None:
    """Let a server not wait for the disk: what a power cut would take is not missed here."""
    import psycopg2

    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET fsync = off")
            cursor.execute("SELECT pg_reload_conf()")


def mysql_is_configured() -> bool:
    return "DJ_HOST" in os.environ and os.environ.get("DJ_BACKEND", "mysql") == "mysql"


def can_have_mysql() -> bool:
    return mysql_is_configured() or find_mysqld() is not None


def find_mysqld() -> str | None:
    """Path of a MySQL or MariaDB server program; installed once as root on Debian.

    FACERHYTHM_MYSQLD names another one.
    """
    if "FACERHYTHM_MYSQLD" in os.environ:
        return os.environ["FACERHYTHM_MYSQLD"]
    path = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
    names = ("mysqld", "mariadbd")
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    if found is None and debian.install("mariadb-server"):
        found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    return found


@contextmanager
def serve_mysql(*options: str) -> Iterator[dict[str, str]]:
    """Start a private MySQL or MariaDB on a free port, with options; stop it and delete it afterwards."""
    program = find_mysqld()
    assert program is not None, "no MySQL server can be had on this machine"
    with tempfile.TemporaryDirectory(prefix="facerhythm-my-") as directory:
        home = Path(directory)
        # MariaDB has an anonymous account for localhost, which would come before 'dj'@'%'.
        (home / "init.sql").write_text(
            "".join(
                f"CREATE USER 'dj'@'{host}' IDENTIFIED BY 'dj';\n"
                f"GRANT ALL ON *.* TO 'dj'@'{host}' WITH GRANT OPTION;\n"
                for host in ("localhost", "%")
            )
        )
        user = ["--user=root"] if os.geteuid() == 0 else []
        common = [program, "--no-defaults", f"--datadir={home / 'data'}", *user]
        with (home / "log").open("w") as log:
            output = {"stdout": log, "stderr": subprocess.STDOUT}
            initialised = subprocess.run(
                initialise_command(program, common, home), check=False, **output
            )
            assert initialised.returncode == 0, (home / "log").read_text()[-3000:]
            port = free_port()
            server = subprocess.Popen(
                [*common, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={home / 's'}",
                 f"--init-file={home / 'init.sql'}", f"--pid-file={home / 'pid'}",
                 # as `forget_on_power_cut`; tables are created in half the time
                 "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
                 # MariaDB's own default cannot keep every text: a worker could not say why a job failed
                 "--character-set-server=utf8mb4", *options], **output,
            )  # fmt: skip
            try:
                wait_until_ready(server, port, home / "log")
                yield {
                    "DJ_BACKEND": "mysql",
                    "DJ_HOST": "127.0.0.1",
                    "DJ_PORT": str(port),
                    "DJ_USER": "dj",
                    "DJ_PASS": "dj",
                }
            finally:
                server.terminate()
                server.wait(timeout=60)


def initialise_command(program: str, common: list[str], home: Path) -> list[str]:
    """Command that creates an empty data directory; MariaDB has a program of its own for it."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if "MariaDB" not in version.stdout:
        return [*common, "--initialize-insecure"]
    tool = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
    assert tool is not None, "MariaDB is here without mariadb-install-db"
    return [tool, *common[1:], "--skip-test-db", "--auth-root-authentication-method=normal"]


def wait_until_ready(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    import pymysql

    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            pymysql.connect(host="127.0.0.1", port=port, user="dj", password="dj").close()
            return
        except pymysql.err.OperationalError:
            running = server.poll() is None
            assert running and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session", name="serve")
def serve_fixture():
    """The context manager `serve`, for the tests below."""
    return serve


@pytest.fixture(scope="session", name="serve_mysql")
def serve_mysql_fixture():
    """The context manager `serve_mysql`, for the tests below."""
    return serve_mysql
