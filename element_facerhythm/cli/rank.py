"""`facerhythm rank`: try several numbers of components on a finished project."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from element_facerhythm.cli.output import (
    JsonOption,
    print_json,
    print_lines,
    print_table,
    progress_bars,
    quiet_stdout,
    require_place,
)
from element_facerhythm.cli.parameter_options import SetOption

if TYPE_CHECKING:
    from element_facerhythm.core.decomposition import RankFit

LARGEST = 10_000
VISUALIZATIONS = "visualizations"


def rank(
    project: Annotated[Path, typer.Argument(help="Project directory with spectrograms.")],
    ranks: Annotated[
        str, typer.Option(help="Numbers of components: FIRST:LAST, FIRST:LAST:STEP, or 2,4,8.")
    ] = "2:12",
    restarts: Annotated[
        int | None, typer.Option(min=1, help="Starts per number (default: the project's).")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Figure (default: visualizations/rank.png)"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit several numbers of components; show how much each explains, and how stable it is.

    The project is only read; its own decomposition stays as it is.

    Example: `facerhythm rank mouse-project --ranks 2:12`
    """
    wanted = parse_ranks(ranks)
    require_place(output)
    with quiet_stdout():
        if output is None:
            check_visualizations(project)
        fits = sweep(project, wanted, device, fit_options(settings or [], restarts))
        figure = draw(fits, project, output)
    if as_json:
        print_json({"project_dir": project, "models": as_rows(fits), "figure": figure})
    else:
        show(fits, figure)


def parse_ranks(text: str) -> tuple[int, ...]:
    """Read ``2:12`` (both included), ``2:12:2`` or ``2,4,8``; ascending, each once.

    Raises
    ------
    ParameterError
        The text is none of these, or names no number of at least 1.
    """
    from element_facerhythm.errors import ParameterError

    numbers: set[int] = set()
    try:
        for part in text.split(","):
            first, last, step = ([int(number) for number in part.split(":")] + [0, 0])[:3]
            if part.count(":") > 2 or max(first, last) > LARGEST:
                raise ValueError(part)
            numbers |= set(range(first, last + 1, step or 1)) if ":" in part else {first}
    except ValueError:
        numbers = set()
    if not numbers or min(numbers) < 1:
        raise ParameterError(
            f"--ranks is {text!r}; expected numbers of at least 1, as FIRST:LAST (2:12), "
            "FIRST:LAST:STEP (2:20:3) or a list (2,4,8)."
        )
    return tuple(sorted(numbers))


def sweep(
    project: Path,
    ranks: tuple[int, ...],
    device: str,
    options: Mapping[str, Any],
) -> "dict[str, tuple[RankFit, ...]]":
    """Fit them, with a progress bar."""
    from element_facerhythm.pipeline.rank_sweep import sweep_project_ranks

    with progress_bars() as progress:
        return sweep_project_ranks(
            project, ranks, device=device, options=options, progress=progress
        )


def fit_options(settings: Sequence[str], restarts: int | None) -> dict[str, Any]:
    """Read options of the fit from `--set` and `--restarts`; the spectrograms are those of the project.

    Raises
    ------
    ParameterError
        One is unknown or none of the fit, or both options give the number of starts.
    """
    from element_facerhythm.errors import ParameterError
    from element_facerhythm.parameters.open_reading import parse_setting
    from element_facerhythm.pipeline.rank_sweep import FIT_OPTIONS

    options: dict[str, Any] = {}
    for text in settings:
        method = parse_setting(text).get("TCA", {}).get("fit", {}).get("params_method", {})
        known = {key: value for key, value in method.items() if key in FIT_OPTIONS}
        if not known:
            raise ParameterError(
                f"--set {text}: rank takes a project's spectrograms as they are; expected one of "
                f"{', '.join(f'TCA.fit.params_method.{name}' for name in FIT_OPTIONS)}"
            )
        options |= known
    if restarts is None:
        return options
    if options.get("n_restarts", restarts) != restarts:
        raise ParameterError(
            f"--restarts is {restarts}, and --set gives n_restarts={options['n_restarts']}; give one of them"
        )
    return {**options, "n_restarts": restarts}


def check_visualizations(project: Path) -> None:
    """Refuse a project whose folder of figures leads elsewhere, before anything is computed."""
    from element_facerhythm.pipeline.run.directory import check_folder

    check_folder(project, VISUALIZATIONS)


def draw(
    fits: "Mapping[str, Sequence[RankFit]]", project: Path, output: Path | None = None
) -> Path:
    """Write the figure: to the file that was asked for, or into the project and nowhere else."""
    from element_facerhythm.figures import rank_figure, save_figure
    from element_facerhythm.io.atomic import writing_inside

    figure = rank_figure(fits)
    if output is not None:
        return save_figure(figure, output)
    with writing_inside(project) as root, root.folder(project / VISUALIZATIONS, make=True):
        return save_figure(figure, project / VISUALIZATIONS / "rank.png")


def as_rows(fits: "Mapping[str, Sequence[RankFit]]") -> list[dict[str, object]]:
    """Return plain values for JSON."""
    return [
        {
            "model_key": key,
            "ranks": [
                {
                    "rank": fit.rank,
                    "explained_variance": fit.explained_variance,
                    "relative_error": fit.relative_error,
                    "r_squared": fit.r_squared,
                    "stability": fit.mean_stability,
                    "component_stability": fit.stability,
                    "n_iterations": fit.n_iterations,
                }
                for fit in model
            ],
        }
        for key, model in fits.items()
    ]


def show(fits: "Mapping[str, Sequence[RankFit]]", figure: Path) -> None:
    """Print a table per model."""
    for key, model in fits.items():
        print_table(
            f"model {key}" if len(fits) > 1 else "components",
            ("components", "explained", "R squared", "stability", "least stable"),
            [
                (
                    fit.rank,
                    f"{fit.explained_variance:.1%}",
                    f"{fit.r_squared:.1%}",
                    f"{fit.mean_stability:.3f}",
                    f"{fit.stability.min():.3f}",
                )
                for fit in model
            ],
            right=("components", "explained", "R squared", "stability", "least stable"),
        )
    print_lines([("figure", figure)])
