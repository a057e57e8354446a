"""pyarrow, imported where a lake is written and nowhere else."""

from typing import Any

from element_facerhythm.errors import ConfigurationError


def import_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its module for Parquet.

    Raises
    ------
    ConfigurationError
        It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'{error}; Parquet files need: pip install "element-facerhythm[lake]"'
        ) from error
    return pyarrow, pyarrow.parquet
