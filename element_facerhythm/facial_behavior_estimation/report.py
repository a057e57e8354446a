"""Figures of results in the database itself, for those who have the database and not the files."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from element_facerhythm.database.keys import key_text, restriction_of
from element_facerhythm.errors import ProjectError, RequestError
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.results import (
    FacialRhythm,  # noqa: F401  named in the definition
)
from element_facerhythm.facial_behavior_estimation.rows import Product
from element_facerhythm.facial_behavior_estimation.run_figures import drawn_pictures
from element_facerhythm.facial_behavior_estimation.run_products import (
    MadeOfProducts,
    project_of_run,
)
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.files.names import short_name
from element_facerhythm.io.atomic import atomic_path
from element_facerhythm.linking import active_link
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    from element_facerhythm.facial_behavior_estimation.run_figures import Picture


@schema
class FacialRhythmReport(MadeOfProducts, dj.Computed):
    """The figures of a result, each a picture file in a row; drawn once, from the products of the run.

    Workers that draw no figures (`--no-figures`) leave this table to others.
    """

    DRAWS_FIGURES = True

    definition = """
    # Figures of results, kept in the database
    -> FacialRhythm
    ---
    n_figures            : int32        # figures that are kept
    report_package_version : varchar(32) # element-facerhythm that drew them
    report_notes         : json         # list of remarks: figures that are left out or could not be drawn
    """

    class Figure(dj.Part):
        """A figure as a picture file."""

        definition = """
        # Figures of a result
        -> master
        figure_name          : varchar(64)  # name of the figure, as of FacialRhythm.figure
        ---
        figure_format        : varchar(8)   # kind of the file: 'png'
        figure_size_bytes    : int64        # length of figure_content, bytes
        figure_sha256        : char(64)     # digest of figure_content
        figure_content       : bytes        # the picture file, byte by byte
        """

    @supervised
    def make_compute(
        self, key: Key, output_dir: str, products: tuple[Product, ...]
    ) -> tuple[tuple["Picture", ...], tuple[str, ...]]:
        """Draw the figures, once it is certain that the project is the one that was processed.

        Parameters
        ----------
        key
            Primary key of the result.
        output_dir, products
            As `make_fetch` returns them.

        Returns
        -------
        The pictures; remarks on figures that are left out or could not be drawn.

        Raises
        ------
        RequestError
            A product is missing or changed since the run, or the store refuses.
        ProcessingError
            The store does not answer.
        """
        project = project_of_run(output_dir, products)
        return drawn_pictures(project, active_link().search_dirs())

    def make_insert(
        self, key: Key, pictures: tuple["Picture", ...], notes: tuple[str, ...]
    ) -> None:
        """Insert the row and its figures.

        Parameters
        ----------
        key
            Primary key of the result.
        pictures, notes
            As `make_compute` returns them.
        """
        from element_facerhythm import __version__

        self.insert1(
            {
                **key,
                "n_figures": len(pictures),
                "report_package_version": __version__,
                "report_notes": list(notes),
            }
        )
        for name, format_name, content in pictures:  # a statement each: servers limit their length
            self.Figure.insert1(
                {
                    **key,
                    "figure_name": name,
                    "figure_format": format_name,
                    "figure_size_bytes": len(content),
                    "figure_sha256": hashlib.sha256(content).hexdigest(),
                    "figure_content": content,
                }
            )

    @classmethod
    def picture(cls, key: Key, name: str = "components") -> bytes:
        """Return one figure as the bytes of its picture file.

        Parameters
        ----------
        key
            Primary key of a result, or a part of one that leaves one.
        name
            Name of the figure; see `FacialRhythm.figure`.

        Raises
        ------
        RequestError
            There is no such figure, or the key leaves several results.
        ProjectError
            Its content is not what was entered.
        """
        return _checked(cls._row(key, name))

    @classmethod
    def write_figure(cls, key: Key, name: str, path: str | Path) -> Path:
        """Write one figure to a file, which is whole or not there; one that is there is replaced.

        Parameters
        ----------
        key, name
            As of `picture`.
        path
            The file, whose name ends as the figure's format; or a directory, in which it gets the
            figure's name.

        Returns
        -------
        The file.

        Raises
        ------
        RequestError
            As of `picture`; or the name of the file ends otherwise.
        ProjectError
            As of `picture`.
        """
        row, place = cls._row(key, name), Path(path)
        suffix = f".{row['figure_format']}"
        if place.is_dir():
            place /= short_name(name, suffix)
        if place.suffix.lower() != suffix:
            raise RequestError(
                f"{place} does not end in {suffix}, which figure {name} is kept as; give such a file, or "
                "a directory"
            )
        content = _checked(row)
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(place) as temporary:
            temporary.write_bytes(content)
        return place

    @classmethod
    def _row(cls, key: Key, name: str) -> dict[str, Any]:
        """Row of the one figure of a name that a key leaves."""
        given = restriction_of(cls, key)
        rows = (cls.Figure() & given & {"figure_name": name}).to_dicts(limit=2)
        if len(rows) == 1:
            return dict(rows[0])
        if rows:
            n = len(cls.Figure() & given & {"figure_name": name})
            raise RequestError(
                f"{key_text(given)} is {n} results with a figure {name!r}; expected the key of one, with "
                f"{', '.join(cls.primary_key)}"
            )
        names = sorted(set((cls.Figure() & given).to_arrays("figure_name")))
        raise RequestError(
            f"the database holds no figure {name!r} of {key_text(given)}; it holds "
            f"{', '.join(names) or 'none: populate FacialRhythmReport'}"
        )


def damaged_figures(key: Key) -> Iterator[tuple[str, str | None]]:
    """Yield each figure of a result with what is wrong with its row; None where nothing is.

    Parameters
    ----------
    key
        Primary key of the result.
    """
    for row in (FacialRhythmReport.Figure() & key).to_dicts(order_by="figure_name"):
        try:
            _checked(row)
        except ProjectError as error:
            yield row["figure_name"], str(error)
        else:
            yield row["figure_name"], None


def wrong_count(key: Key) -> str | None:
    """Describe how many figures of a result are missing or too many; None where none are."""
    n_figures = (FacialRhythmReport() & key).fetch1("n_figures")
    n_rows = len(FacialRhythmReport.Figure() & key)
    return None if n_figures == n_rows else f"n_figures is {n_figures}, and {n_rows} are there"


def without_drawing(tables: Iterable[Any]) -> tuple[Any, ...]:
    """Tables that a process populates that draws no figures."""
    return tuple(table for table in tables if not getattr(table, "DRAWS_FIGURES", False))


def _checked(row: dict[str, Any]) -> bytes:
    """Content of a figure that is still what was entered."""
    content = bytes(row["figure_content"])
    sha256 = hashlib.sha256(content).hexdigest()
    if (sha256, len(content)) != (row["figure_sha256"], row["figure_size_bytes"]):
        raise ProjectError(
            f"figure {row['figure_name']} of FacialRhythmReport.Figure is not what was entered: its content "
            "does not have its figure_sha256 and figure_size_bytes. Delete the entry of FacialRhythmReport "
            "and populate again"
        )
    return content
