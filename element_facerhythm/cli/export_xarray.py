"""`facerhythm export xarray`: results as netCDF or Zarr, with named axes and units."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.export_movie import ProjectArgument
from element_facerhythm.cli.key_options import (
    KeyOption,
    KeyTexts,
    RecordingOption,
    SessionOption,
    SubjectOption,
    key_texts,
)
from element_facerhythm.cli.output import JsonOption, print_json, print_lines, quiet_stdout
from element_facerhythm.errors import ProjectBusyError, RequestError

if TYPE_CHECKING:
    from element_facerhythm.io.project import Project

ALL = "all"


def xarray(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File or directory to write, .nc or .zarr.")
    ],
    project: ProjectArgument = None,
    subject: SubjectOption = None,
    session: SessionOption = None,
    recording: RecordingOption = None,
    key: KeyOption = None,
    what: Annotated[
        str, typer.Option("--what", help="points, spectrograms, factors, signals or all.")
    ] = ALL,
    as_json: JsonOption = False,
) -> None:
    """Write results as netCDF or Zarr, for xarray, movement and whatever else reads them.

    Give a project directory, or the row of one run. One kind of results lies at the root of the file; of all,
    each is a group.

    Example: `facerhythm export xarray mouse-project --what points -o points.nc`
    """
    from element_facerhythm.pipeline.exchange.dataset_files import require_new, write_datasets
    from element_facerhythm.pipeline.exchange.datasets import (
        PRODUCTS_OF,
        all_datasets,
        to_xarray,
    )

    chosen = key_texts(subject, session, recording, key)
    if (project is None) != bool(chosen.texts):
        raise RequestError(
            "give a project directory, or say which row (--subject, --session, --recording, --key), and "
            "not both"
        )
    if what not in (*PRODUCTS_OF, ALL):
        raise RequestError(f"--what is {what!r}; expected {', '.join(PRODUCTS_OF)} or {ALL}")
    require_new(output)
    with quiet_stdout():
        opened, of = opened_run(project, chosen)
        wanted = [name for name in PRODUCTS_OF if name == what]
        found = {name: to_xarray(opened, name) for name in wanted} or all_datasets(opened)
        datasets = {name: one.assign_attrs(of) for name, one in found.items()}
        write_datasets(datasets if what == ALL else datasets[what], output)
    sizes = {name: dict(dataset.sizes) for name, dataset in datasets.items()}
    if as_json:
        print_json({"file": output, "datasets": sizes})
        return
    shown = [
        (name, ", ".join(f"{n:,} {axis}" for axis, n in own.items() if n > 1))
        for name, own in sizes.items()
    ]
    print_lines([("written", output), *shown])


def opened_run(project: Path | None, chosen: KeyTexts) -> "tuple[Project, dict[str, Any]]":
    """Open a project directory, or that of the run that is chosen; and what is said of it in the file.

    Raises
    ------
    RequestError
        No run is chosen, or several; or it is no project that is whole.
    """
    from element_facerhythm.io.project import Project
    from element_facerhythm.linking import environment_root_dirs
    from element_facerhythm.pipeline.run.lock import is_locked

    if project is not None:
        opened, of = Project.open(project, environment_root_dirs()), {}
    else:
        from element_facerhythm.cli.database_access import pipeline_to_read
        from element_facerhythm.cli.figures import chosen_runs

        pipeline_to_read()
        from element_facerhythm.database.keys import key_text
        from element_facerhythm.facial_behavior_estimation.run_directory import present_run
        from element_facerhythm.linking import active_link

        runs = chosen_runs(chosen, None)
        if len(runs) > 1:
            raise RequestError(
                f"{len(runs)} runs are chosen, and a file is of one; say more of its key: "
                f"{'; '.join(map(key_text, runs[:5]))}"
            )
        opened = Project.open(present_run(runs[0]), active_link().search_dirs())
        of = {"key": key_text(runs[0])}
    if is_locked(opened.directory):
        raise ProjectBusyError(
            f"a run is writing {opened.directory}; export it when the run is done"
        )
    opened.require_intact()
    return opened, of
