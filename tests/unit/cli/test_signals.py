"""Stop signals set an event, at whatever moment they come, and are as before afterwards."""

import subprocess
import sys

SCRIPT = """
import os, signal, time
from element_facerhythm.cli.signals import stop_event
before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
with stop_event() as stop:
    signal.signal(signal.SIGTERM, lambda *_: print("a handler ran"))
    os.kill(os.getpid(), signal.SIGTERM)
    print("stopped", stop.wait(10))
    if {again}:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
print("mask is restored", signal.pthread_sigmask(signal.SIG_BLOCK, []) == before)
os.kill(os.getpid(), signal.SIGTERM)
"""


def run(again: bool) -> "subprocess.CompletedProcess[str]":
    script = SCRIPT.format(again=again)
    command = [sys.executable, "-u", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_a_signal_sets_the_event_and_runs_no_handler() -> None:
    result = run(again=False)
    assert result.stdout.splitlines() == ["stopped True", "mask is restored True", "a handler ran"]
    assert result.returncode == 0
    assert "stopping at the next safe point" in result.stderr


def test_a_second_signal_ends_the_process_at_once() -> None:
    result = run(again=True)
    assert result.stdout.splitlines() == ["stopped True"]
    assert result.returncode == 130
