"""A private Slurm on this machine: one controller, accounting, and several nodes on the loopback interface.

Every daemon is started by the test, with its own configuration, key, socket and ports, and is ended by its
process; what else runs here is left alone.
"""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests import debian
from tests.db.conftest import free_port

PROGRAMS = ("munged", "slurmctld", "slurmdbd", "slurmd", "sbatch", "squeue", "scancel", "sacct")
PACKAGES = ("munge", "slurmctld", "slurmdbd", "slurmd", "slurm-client")
PATH = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
START_TIMEOUT_S = 90

SLURM_CONF = """
ClusterName=facerhythm
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# how long a job of a dead node waits before it starts anew hangs on cred_expire
AuthInfo=socket={home}/munge.socket,cred_expire=5
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/%n.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/%n.log
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
AccountingStoragePass={home}/munge.socket
JobAcctGatherType=jobacct_gather/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
# a node that says nothing is down after about a quarter of a minute
SlurmdTimeout=6
MessageTimeout=5
KillWait=10
# what has ended is asked about when the tests before are done, on a busy machine late
MinJobAge=3600
{nodes}
PartitionName=main Nodes=n1,n2,n3 Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=n4 MaxTime=2 State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=4000 Gres=gpu:1"
NODES = ("n1", "n2", "n3", "n4")
# any device file will do: Slurm hands its number out, and nobody opens it
GRES_CONF = "".join(
    f"NodeName={node} Name=gpu File=/dev/{file}\n"
    for node, file in zip(NODES, ("null", "zero", "full", "random"), strict=True)
)
SLURMDBD_CONF = """
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounting_port}
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
LogFile={home}/slurmdbd.log
PidFile={home}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost={DJ_HOST}
StoragePort={DJ_PORT}
StorageUser={DJ_USER}
StoragePass={DJ_PASS}
StorageLoc={accounting_schema}
"""


def can_have_slurm() -> bool:
    """Whether Slurm's programs are here; installed once as root on Debian."""
    if not missing_programs():
        return True
    return debian.install(*PACKAGES) and not missing_programs()


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


def wait_for(
    what: str,
    condition: Callable[[], object],
    timeout_s: float = 120,
    explain: Callable[[], str] = str,
) -> object:
    """Ask until the answer is true, and give it back; `explain` says more where it never is."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not in {timeout_s:g} s: {what}\n{explain()}"
        time.sleep(0.2)
    return answer


class Cluster:
    """The daemons of one private Slurm.

    Parameters
    ----------
    home
        Directory for configuration, logs and sockets.
    database
        `DJ_*` variables of the MySQL-protocol server that accounting is kept on.
    """

    def __init__(self, home: Path, database: dict[str, str]) -> None:
        self.home = home
        self.database = database
        self.accounting_schema = f"slurmtest_{secrets.token_hex(4)}"
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {"SLURM_CONF": str(home / "slurm.conf"), "PATH": PATH}

    def start(self) -> None:
        """Write the configuration, and start everything."""
        host = socket.gethostname().split(".")[0]
        nodes = [NODE.format(name=name, host=host, port=free_port()) for name in NODES]
        facts = {
            **self.database,
            "home": self.home,
            "host": host,
            "user": getpass.getuser(),
            "controller_port": free_port(),
            "accounting_port": free_port(),
            "accounting_schema": self.accounting_schema,
            "nodes": "\n".join(nodes),
        }
        self.home.chmod(0o711)  # munge insists that everybody can reach its socket
        for name in ("state", *NODES):
            (self.home / name).mkdir()
        for name, text in (
            ("munge.key", secrets.token_hex(512)),
            ("slurm.conf", SLURM_CONF.format(**facts)),
            ("gres.conf", GRES_CONF),
            ("slurmdbd.conf", SLURMDBD_CONF.format(**facts)),
        ):
            (self.home / name).touch(mode=0o600)
            (self.home / name).write_text(text)
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid",
                 "log-file": "munge.log", "seed-file": "munge.seed"}  # fmt: skip
        self.run("munged", "--foreground", *(f"--{k}={self.home / v}" for k, v in files.items()))
        wait_for("munge's socket", (self.home / "munge.socket").exists)
        self.run("slurmdbd", "-D")
        wait_for(
            "slurmdbd", lambda: self.logged("slurmdbd.log", "slurmdbd version"), START_TIMEOUT_S
        )
        self.run("slurmctld", "-D", "-i")
        wait_for(
            "slurmctld", lambda: self.logged("slurmctld.log", "Running as primary"), START_TIMEOUT_S
        )
        for node in NODES:
            self.start_node(node)
        for node in NODES:
            wait_for(
                f"node {node}", lambda node=node: self.node_state(node) == "idle", START_TIMEOUT_S
            )

    def run(self, program: str, *arguments: str, name: str | None = None) -> None:
        """Start one daemon in the foreground; what it says goes to a log."""
        path = shutil.which(program, path=PATH)
        assert path is not None, f"{program} is not here"
        with (self.home / f"{name or program}.out").open("ab") as log:
            self.daemons[name or program] = subprocess.Popen(
                [path, *arguments], env={**os.environ, **self.environment}, cwd=self.home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def logged(self, name: str, words: str) -> bool:
        """Whether a daemon has said something; fails where one has ended."""
        for daemon, process in self.daemons.items():
            assert process.poll() is None, f"{daemon} ended: {self.logs()}"
        log = self.home / name
        return log.exists() and words in log.read_text(errors="replace")

    def logs(self) -> str:
        """Ends of all logs, for messages."""
        files = sorted([*self.home.glob("*.log"), *self.home.glob("*.out")])
        return "\n".join(
            f"{file.name}: {file.read_text(errors='replace')[-1500:]}" for file in files
        )

    def ask(self, *command: str) -> str:
        """Run one of Slurm's commands, and give what it printed."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}\n{self.logs()}"
        return done.stdout

    def node_state(self, node: str) -> str:
        return self.ask("sinfo", "--noheader", f"--nodes={node}", "--format=%t").split()[0]

    def start_node(self, node: str) -> None:
        self.run("slurmd", "-D", "-N", node, name=node)

    def kill_node(self, node: str) -> list[int]:
        """Take the node's power away: its daemon and all that it started die at once; gives their pids."""
        daemon = self.daemons.pop(node)
        daemon.kill()
        daemon.wait()
        processes = self.job_processes(node)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return [process.pid for process in processes]

    def job_processes(self, node: str | None = None) -> list[psutil.Process]:
        """Processes of this cluster's jobs, on one node or all, after those that watch over them."""
        jobs = [p for p in psutil.process_iter() if self.is_of_job(p, node)]
        parents = {p.ppid() for p in jobs}
        steps = [
            p
            for p in psutil.process_iter()
            if p.pid in parents and "slurmstepd" in " ".join(p.cmdline())
        ]
        return [*steps, *jobs]

    def is_of_job(self, process: psutil.Process, node: str | None) -> bool:
        try:
            environment = process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False
        mine = environment.get("SLURM_CONF") == self.environment["SLURM_CONF"]
        where = environment.get("SLURMD_NODENAME")
        return mine and where is not None and node in (None, where)

    def stop(self) -> None:
        """End jobs and daemons, the last started first."""
        for process in self.job_processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for name in reversed(self.daemons):
            self.daemons[name].terminate()
        for process in self.daemons.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def run_cluster(home: Path, database: dict[str, str]) -> Iterator[Cluster]:
    """Have a cluster; everything of it is ended afterwards."""
    cluster = Cluster(home, database)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
