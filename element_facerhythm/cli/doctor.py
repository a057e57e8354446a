"""`facerhythm doctor`: what works on this machine, and how to fix what does not."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict

import typer

from element_facerhythm.cli.doctor_finding import FAIL, OK, WARN, Finding
from element_facerhythm.cli.output import JsonOption, print_json, quiet_stdout


def doctor(as_json: JsonOption = False) -> None:
    """Check python, torch and its device, codecs, the database, stores and data directories.

    The exit code is 1 where a check failed; warnings leave it at 0.

    Example: `facerhythm doctor`
    """
    from element_facerhythm.cli.doctor_checks import CHECKS

    with quiet_stdout():
        findings = [finding for name, check in CHECKS.items() for finding in examine(name, check)]
    if as_json:
        print_json({"findings": [asdict(f) for f in findings], "ok": not failed(findings)})
    else:
        show(findings)
    if failed(findings):
        raise typer.Exit(1)


def examine(name: str, check: Callable[[], Finding | Sequence[Finding]]) -> Sequence[Finding]:
    """Run one check; a check that breaks is a finding, not the end of the report."""
    try:
        found = check()
    except Exception as error:  # noqa: BLE001  the report goes on with the next check
        message = " ".join(str(error).split())
        found = Finding(name, FAIL, f"{type(error).__name__}: {message}", "see the message")
    return [found] if isinstance(found, Finding) else found


def failed(findings: Sequence[Finding]) -> bool:
    """Return whether anything is broken."""
    return any(finding.state == FAIL for finding in findings)


def show(findings: Sequence[Finding]) -> None:
    """Print one line per finding, and the remedy below where there is one."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    styles = {OK: "green", WARN: "yellow", FAIL: "bold red"}
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        line = Text.assemble(
            (f"{finding.state:<5}", styles[finding.state]),
            f"{finding.check:<{width}}  {finding.found}",
        )
        if finding.mend and finding.state != OK:
            line.append(f"\n{'':{width + 7}}-> {finding.mend}", style="dim")
        console.print(line)
    counts = {state: sum(f.state == state for f in findings) for state in styles}
    console.print(f"{counts[OK]} ok, {counts[WARN]} warnings, {counts[FAIL]} failures")
    sys.stdout.flush()
