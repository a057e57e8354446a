"""`facerhythm inspect`: what a file or a project says of itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from element_facerhythm.cli.output import JsonOption, plain, print_json, print_lines
from element_facerhythm.errors import RequestError


def inspect(
    path: Annotated[
        Path,
        typer.Argument(help="HDF5, YAML or JSON file, or project directory.", metavar="FILE|DIR"),
    ],
    under: Annotated[
        str, typer.Option("--path", help="Group of the HDF5 file, as /metadata/acquisition.")
    ] = "/",
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print YAML.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the metadata of a product, a project, or any HDF5 file: texts, numbers, shapes of arrays.

    Texts that HDF5 keeps in several attributes are joined, JSON in them is unpacked. moseq2's extractions,
    NWB and DeepLabCut files are read alike.

    Example: `facerhythm inspect mouse-project/analysis_files/TCA.h5 --yaml`
    """
    from element_facerhythm.pipeline.exchange.metadata import metadata_of

    if as_yaml and as_json:
        raise RequestError("--yaml and --json are two forms of one answer; give one of them")
    found = metadata_of(path, under)
    if as_json:
        print_json(found)
    elif as_yaml:
        import yaml

        typer.echo(yaml.safe_dump(plain(found), sort_keys=False, allow_unicode=True), nl=False)
    else:
        print_lines(list(lines("", plain(found))))


def lines(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield a line for each text, number and array, with the names that lead there."""
    if isinstance(value, Mapping) and {"shape", "dtype"} <= set(value):
        shape = ", ".join(f"{length:,}" for length in value["shape"])
        yield place, f"{value['dtype']} ({shape}), {value['bytes']:,} bytes"
    elif isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from lines(f"{place}/{name}" if place else name, item)
    else:
        yield place, str(value)
