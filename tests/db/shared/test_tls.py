"""Encryption that was asked for cannot be lost, and a server that cannot prove itself is not spoken to."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.db.shared.conftest import ADMINISTRATOR, SERVER, SharedDatabase, printed_sql, run_sql

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.timeout(600)]

CLIENT_SSL = 0x0800
"""Bit of the server's greeting that says it can do TLS."""
CIPHER = """
from element_facerhythm import workflow
from element_facerhythm.database.connection import cipher
print(cipher(workflow.dj.conn()))
"""
STOCK = """
import datajoint
print(datajoint.conn().query("SHOW STATUS LIKE 'Ssl_cipher'").fetchone())
"""


@contextmanager
def without_tls(host: str, port: int) -> Iterator[int]:
    """Stand between client and server and hide that the server can do TLS, as an attacker would."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    stop = threading.Event()

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with closing(source), closing(target):
            while data := receive(source):
                target.sendall(data)

    def receive(source: socket.socket) -> bytes:
        try:
            return source.recv(65536)
        except OSError:
            return b""

    def serve() -> None:
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            server = socket.create_connection((host, port))
            greeting = bytearray(server.recv(65536))
            # length and number (4), protocol (1), version up to 0, thread (4), salt (8), 0, capabilities
            place = greeting.index(0, 5) + 1 + 4 + 8 + 1
            greeting[place + 1] &= ~(CLIENT_SSL >> 8)
            client.sendall(greeting)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pass_on, args=pair, daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a certificate of it for 127.0.0.1, and an authority that signed nothing."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "this test makes certificates with openssl; install it"
    directory = tmp_path_factory.mktemp("certificates")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=directory, check=True, capture_output=True)

    for name in ("ca", "other"):
        run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", f"{name}-key.pem", "-out", f"{name}.pem")  # fmt: skip
    run("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server",
        "-keyout", "server-key.pem", "-out", "server.csr")  # fmt: skip
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-days", "2",
        "-CAcreateserial", "-extfile", "names", "-out", "server.pem")  # fmt: skip
    directory.chmod(0o755)
    for path in directory.iterdir():
        path.chmod(0o644)
    return directory


@pytest.fixture(scope="module")
def tls_database(
    serve_mysql: Callable[..., Any],
    certificates: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SharedDatabase]:
    """A server of this machine with that certificate, which takes encrypted connections alone."""
    options = [
        f"--ssl-{what}={certificates / name}"
        for what, name in (("ca", "ca.pem"), ("cert", "server.pem"), ("key", "server-key.pem"))
    ]
    with serve_mysql(*options, "--require-secure-transport=ON") as variables:
        account = (variables["DJ_USER"], variables["DJ_PASS"])
        accounts = {ADMINISTRATOR: account, SERVER: account}
        directories = (tmp_path_factory.mktemp(name) for name in ("raw", "results"))
        database = SharedDatabase(variables, "frtls_", *directories, accounts)
        database.facerhythm_json(ADMINISTRATOR, "admin", "init")
        lines = printed_sql(database, "viewer", "fr_viewer", "--require-tls")
        assert lines[0].endswith(" REQUIRE SSL WITH MAX_USER_CONNECTIONS 20;")
        run_sql(database, lines, "secret")
        accounts["viewer"] = ("fr_viewer", "secret")
        yield database


def behind(database: SharedDatabase, port: int) -> SharedDatabase:
    return replace(database, variables=database.variables | {"DJ_PORT": str(port)})


def test_encryption_is_used_and_reported(tls_database: SharedDatabase) -> None:
    for variables in ({}, {"DJ_USE_TLS": "true"}):
        done = tls_database.run_python("viewer", CIPHER, **variables)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].startswith(("TLS", "ECDHE", "DHE"))
    doctor = tls_database.facerhythm("viewer", "doctor", DJ_USE_TLS="true")
    (line,) = [line for line in doctor.stdout.splitlines() if " database " in line]
    assert "encrypted (" in line and "not encrypted" not in line


def test_tls_that_is_asked_for_is_not_given_up(
    tls_database: SharedDatabase, certificates: Path
) -> None:
    host, port = tls_database.variables["DJ_HOST"], int(tls_database.variables["DJ_PORT"])
    authority = {"FACERHYTHM_TLS_CA": str(certificates / "ca.pem")}
    tls_database.query(ADMINISTRATOR, "SET GLOBAL require_secure_transport = OFF")
    try:
        with without_tls(host, port) as hidden:
            fooled = behind(tls_database, hidden)
            # what DataJoint makes of its option by itself: the administrator's password in the clear
            alone = fooled.run_python(ADMINISTRATOR, STOCK, DJ_USE_TLS="true")
            assert "('Ssl_cipher', '')" in alone.stdout, alone.stderr
            for variables in ({"DJ_USE_TLS": "true"}, authority):
                for verb in (["status"], ["admin", "init"]):
                    refused = fooled.facerhythm(ADMINISTRATOR, *verb, **variables)
                    assert refused.returncode == 2
                    assert "SSL is required but the server doesn't support it" in refused.stderr
            doctor = fooled.facerhythm(ADMINISTRATOR, "doctor", DJ_USE_TLS="true")
            assert doctor.returncode == 1
            unasked = fooled.facerhythm(ADMINISTRATOR, "doctor")
            assert "not encrypted" in unasked.stdout
            required = fooled.facerhythm("viewer", "status")  # an account with REQUIRE SSL
            assert required.returncode == 2
    finally:
        tls_database.query(ADMINISTRATOR, "SET GLOBAL require_secure_transport = ON")


def test_a_server_must_prove_who_it_is(tls_database: SharedDatabase, certificates: Path) -> None:
    def status(database: SharedDatabase, **variables: str) -> "subprocess.CompletedProcess[str]":
        return database.facerhythm("viewer", "status", **variables)

    ours, other = (str(certificates / name) for name in ("ca.pem", "other.pem"))
    both = certificates / "both.pem"  # while an old authority is replaced by a new one
    both.write_text(Path(other).read_text() + Path(ours).read_text())
    for authority in (ours, str(both)):
        proven = status(tls_database, FACERHYTHM_TLS_CA=authority)
        assert proven.returncode == 0, proven.stderr
    for check_host in ("true", "false"):
        stranger = status(
            tls_database, FACERHYTHM_TLS_CA=other, FACERHYTHM_TLS_CHECK_HOST=check_host
        )
        assert (stranger.returncode, "CERTIFICATE_VERIFY_FAILED" in stranger.stderr) == (2, True)
    by_name = replace(tls_database, variables=tls_database.variables | {"DJ_HOST": "localhost"})
    misnamed = status(by_name, FACERHYTHM_TLS_CA=ours)
    assert (misnamed.returncode, "Hostname mismatch" in misnamed.stderr) == (2, True), (
        misnamed.stderr
    )
    tolerated = status(by_name, FACERHYTHM_TLS_CA=ours, FACERHYTHM_TLS_CHECK_HOST="false")
    assert tolerated.returncode == 0, tolerated.stderr
    for variables, says in (
        ({"FACERHYTHM_TLS_CA": "/gone.pem"}, "/gone.pem is not a file"),
        (
            {"FACERHYTHM_TLS_CA": ours, "FACERHYTHM_TLS_CHECK_HOST": "maybe"},
            "expected true or false",
        ),
    ):
        wrong = status(tls_database, **variables)
        assert (wrong.returncode, says in wrong.stderr) == (2, True), wrong.stderr


def test_a_connection_that_was_opened_before_is_not_trusted(tls_database: SharedDatabase) -> None:
    script = "import datajoint as dj; dj.conn()\nfrom element_facerhythm import workflow"
    done = tls_database.run_python("viewer", script, DJ_USE_TLS="true")
    assert done.returncode == 1
    assert "was opened by something else in this process" in done.stderr


def test_postgresql_takes_its_option_at_its_word(serve: Callable[[str], Any]) -> None:
    with serve("postgresql") as variables:
        environment = {n: v for n, v in os.environ.items() if not n.startswith("DJ_")} | variables
        done = subprocess.run(
            [sys.executable, "-c", "from element_facerhythm.cli import main; main()", "status"],
            env=environment | {"DJ_USE_TLS": "true", "DJ_IGNORE_CONFIG_FILE": "true"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "does not support SSL" in done.stderr
