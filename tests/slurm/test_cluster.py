"""Workers on a real Slurm: they run, give their jobs back, and survive a node."""

import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from element_facerhythm.slurm import past_tasks
from tests.slurm.cluster import Cluster, wait_for
from tests.slurm.laboratory import FACERHYTHM, Laboratory

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(400)]

FoundLab = Callable[[str], Laboratory]


def test_an_array_of_workers_does_what_is_pending(
    found_lab: FoundLab, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = found_lab("works")
    lab.facerhythm("admin", "init")
    idle = lab.facerhythm("slurm", "submit", "--name", lab.name)
    assert "nothing was submitted: no job is pending" in idle.stdout
    assert not lab.processed.joinpath("slurm").exists()

    lab.register(4)
    setup = lab.home / "set up.sh"
    setup.write_text('export GREETING="it\'s set up"\n')
    options = ["--partition", "main", "--gpus", "1", "--max-workers", "3", "--setup", setup]
    before = 'echo "GPU $CUDA_VISIBLE_DEVICES of $SLURMD_NODENAME, $GREETING"'
    done = lab.submit(*options, "--before", before)
    assert (done["n_pending"], done["n_tasks"]) == (4, 3)
    script = Path(done["script"])
    assert stat.S_IMODE(script.stat().st_mode) == 0o600
    assert "DJ_" not in script.read_text()
    again = lab.submit(*options, "--before", before, "--dry-run")
    assert (again["submitted"], again["n_tasks"]) == (False, 0)  # as many are there as may be
    check_script(again["script"], lab)

    assert lab.ended() == ["COMPLETED"] * 3, lab.logs()
    assert lab.sessions_done() == [1, 2, 3, 4]
    assert not lab.jobs("reserved") and not lab.jobs("error")
    nodes = re.findall(r"GPU 0 of (n\d), it's set up", lab.logs())
    assert sorted(nodes) == ["n1", "n2", "n3"], (
        lab.logs()
    )  # each had the one GPU of a node to itself

    shown = lab.facerhythm("slurm", "status", "--name", lab.name).stdout
    assert "3 completed" in shown and f"logs {lab.processed}/slurm/TASK.log" in shown.replace(
        "\n", ""
    )
    tasks = lab.tasks()
    assert [task["task"] for task in tasks] == [f"{done['array']}_{i}" for i in (1, 2, 3)]
    assert all("jobs done" in Path(task["log"]).read_text() for task in tasks)

    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, cluster.environment[name])
    past = wait_for(
        "accounting knows them", lambda: len(past_tasks(lab.name)) == 3 and past_tasks(lab.name)
    )
    assert [(t.task, t.state, t.node) for t in past] == [
        (t["task"], "COMPLETED", t["node"]) for t in tasks
    ]


def check_script(script: str, lab: Laboratory) -> None:
    """Bash and Slurm both take it."""
    bash = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert bash.returncode == 0, bash.stderr
    slurm = subprocess.run(
        ["sbatch", "--test-only"], input=script, env=lab.environment, cwd=lab.home,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert slurm.returncode == 0 and "to start at" in slurm.stderr, slurm.stderr


def test_cancelled_workers_give_their_jobs_back(found_lab: FoundLab) -> None:
    lab = found_lab("cancelled")
    # settings of a user that would lead astray, or ask on the terminal
    lab.environment |= {
        "SBATCH_PARTITION": "nowhere", "SQUEUE_STATES": "COMPLETED", "SCANCEL_INTERACTIVE": "1",
    }  # fmt: skip
    lab.register(3, n_restarts=20_000)
    array = lab.submit("--partition", "main", "--max-workers", "3", "--at-once", "2")["array"]
    wait_for("two jobs are under way", lambda: len(lab.jobs("reserved")) == 2 or check_alive(lab))
    other = lab.json("slurm", "cancel", "--name", lab.name, "999999")
    assert other == {"withdrawn": [], "stopped": [], "ended": []}

    done = lab.json("slurm", "cancel", "--name", lab.name, array)
    assert done == {
        "withdrawn": [f"{array}_3"], "stopped": [f"{array}_1", f"{array}_2"], "ended": [],
    }  # fmt: skip
    assert lab.ended(timeout_s=30) == ["COMPLETED", "COMPLETED", "CANCELLED"], lab.logs()
    assert not lab.jobs("reserved") and not lab.jobs("error")
    assert lab.logs().count("is requeued") == 2, lab.logs()
    assert lab.sessions_done() == []

    later = lab.submit("--partition", "main", "--max-workers", "1", "--sbatch=--begin=now+1hour")
    assert (later["n_pending"], later["n_tasks"]) == (3, 1)
    at_once = lab.json("slurm", "cancel", "--name", lab.name, "--grace", "0")
    assert at_once["ended"] == [f"{later['array']}_1"]
    assert lab.ended(timeout_s=30)[-1] == "CANCELLED"


def test_the_jobs_of_a_node_that_dies_are_done(found_lab: FoundLab, cluster: Cluster) -> None:
    lab = found_lab("survives")
    lab.register(2, n_restarts=1_000)
    array = lab.submit("--gpus", "1", "--max-workers", "2", "--lease", "5")["array"]
    jobs = wait_for("a job is under way", lambda: lab.jobs("reserved") or check_alive(lab))
    _, pid = jobs[0]
    node = psutil.Process(pid).environ()["SLURMD_NODENAME"]
    assert pid in cluster.kill_node(node)
    assert pid in {number for _, number in lab.jobs("reserved")}  # nobody was there to give it back

    wait_for(
        f"Slurm takes back what ran on {node}",
        lambda: restarts(cluster, array) == [0, 1],
        timeout_s=180,
        explain=lambda: f"{node} is {cluster.node_state(node)}\n{lab.logs()}\n{cluster.logs()}",
    )
    states = lab.ended()
    cluster.start_node(node)
    assert states == ["COMPLETED"] * 2, lab.logs()
    assert lab.sessions_done() == [1, 2]
    assert not lab.jobs("reserved") and not lab.jobs("error")


def test_a_worker_at_its_time_limit_gives_its_job_back(limited: Laboratory) -> None:
    assert limited.ended() == ["COMPLETED"], limited.logs()  # not TIMEOUT: it stopped by itself
    assert "is requeued" in limited.logs()
    assert not limited.jobs("reserved") and not limited.jobs("error")
    assert limited.sessions_done() == []


def test_slurm_is_told_about_in_its_own_words(limited: Laboratory) -> None:
    limited.ended()  # its job is there for another worker
    directory = limited.home / "not" / "there"
    options = ("--name", "refused", "--partition", "nowhere", "--dir", directory)
    refused = limited.facerhythm("slurm", "submit", *options, code=2)
    assert "invalid partition specified: nowhere" in refused.stderr
    assert refused.stdout == ""
    assert not directory.parent.exists()
    for option, value, word in (
        ("--memory", "16 GB", "--mem"),
        ("--time", "two days", "--time"),
        ("--partition", "main --array=1-9", "partition"),
    ):
        for dry in ([], ["--dry-run"]):
            refused = limited.facerhythm(
                "slurm", "submit", "--name", "refused", option, value, *dry, code=2
            )
            assert word in refused.stderr and refused.stdout == "", refused.stderr
    assert not list(limited.processed.glob("slurm/refused*"))
    without = {**limited.environment, "PATH": str(limited.home)}
    for verb in ("submit", "status", "cancel"):
        done = subprocess.run(
            [*FACERHYTHM, "slurm", verb], env=without, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert "is not on the PATH" in done.stderr


def test_values_reach_slurm_as_they_were_given(limited: Laboratory) -> None:
    limited.ended()  # its job is there for another worker
    comment = """it's "100%" of $HOME #1 (a; b | c)"""
    directory = limited.home / "logs at 100%"
    options = ["--name", "quoted", "--dir", directory, f"--sbatch=--comment={comment}"]
    done = limited.json("slurm", "submit", *options, "--before", "echo 'to be seen'")
    log = directory / f"{done['array']}_1.log"
    try:
        check_script(Path(done["script"]).read_text(), limited)
        queue = ("squeue", "--noheader", "--name=quoted", "--array", "--states=all")
        assert limited.cluster.ask(*queue, "--format=%k").strip() == comment
        wait_for(f"{log}", log.exists, explain=limited.cluster.logs)
        wait_for("the line before the worker", lambda: "to be seen" in log.read_text())
    finally:
        limited.json("slurm", "cancel", "--name", "quoted")


def check_alive(lab: Laboratory) -> None:
    """Fail at once where the tasks ended before what was waited for."""
    waiting = lab.cluster.ask("squeue", "--noheader", f"--name={lab.name}").strip()
    assert waiting, lab.logs()


def restarts(cluster: Cluster, array: str) -> list[int]:
    """How often each task of an array was started anew."""
    shown = cluster.ask("scontrol", "--oneliner", "show", "job", array)
    return sorted(map(int, re.findall(r"Restarts=(\d+)", shown)))
