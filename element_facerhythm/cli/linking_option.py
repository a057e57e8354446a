"""`--linking-module`, which every verb has that uses the database."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from element_facerhythm.errors import RequestError

LINKING_VARIABLE = "FACERHYTHM_LINKING_MODULE"
_CHOICE = f"{__name__}.choice"


class DatabaseCommand(TyperCommand):
    """A verb on the configured pipeline."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_LINKING_OPTION)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb on the pipeline that is given; environment and connection are then restored."""
        with _chosen(ctx.meta.get(_CHOICE)):
            try:
                return super().invoke(ctx)
            finally:
                # imported only where the verb opened it, since importing it is slow
                if pipeline := sys.modules.get("element_facerhythm.active_pipeline"):
                    pipeline.end_reading()


@contextmanager
def _chosen(module: str | None) -> Iterator[None]:
    """Set the variable, so that programs which are started from here (batch jobs) have it, too."""
    before = os.environ.get(LINKING_VARIABLE)
    if module is not None:
        os.environ[LINKING_VARIABLE] = module
    try:
        yield
    finally:
        if module is not None and before is None:
            del os.environ[LINKING_VARIABLE]
        elif before is not None:
            os.environ[LINKING_VARIABLE] = before


def _choose(ctx: typer.Context, given: str | None) -> None:
    if given is None:
        return
    if not given.strip():
        raise RequestError("--linking-module is empty; expected the name of a module, or its file")
    ctx.meta[_CHOICE] = given


def _options(
    linking_module: Annotated[
        str | None,
        typer.Option(
            "--linking-module",
            metavar="MODULE",
            expose_value=False,
            callback=_choose,
            help=f"The lab's own pipeline, in place of {LINKING_VARIABLE}: a module's name, or its file.",
        ),
    ] = None,
) -> None:
    """Signature with this option alone, from which Typer makes the option."""


def _linking_option() -> Any:
    single = typer.Typer(add_completion=False)
    single.command()(_options)
    return typer.main.get_command(single).params[0]


_LINKING_OPTION = _linking_option()
