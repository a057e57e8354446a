"""Settings of the embedded server that are kept between starts."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from element_facerhythm.database.embedded.trust import require_trusted
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.files.texts import parse_json
from element_facerhythm.io.folders import read_small


@dataclass(frozen=True)
class Settings:
    """Settings that are kept between starts, in `server.json`, readable by its owner only."""

    password: str
    port: int
    cluster_parent: str
    installation: str

    @property
    def data_dir(self) -> Path:
        """Directory of the cluster."""
        return Path(self.cluster_parent) / "data"

    @property
    def log_file(self) -> Path:
        """Log of the server."""
        return Path(self.cluster_parent) / "log" / "server.log"


def read_settings(home: Path) -> Settings | None:
    """Read `server.json`; None where there is none.

    Raises
    ------
    ConfigurationError
        The directory or the file is not this account's own, or the file is damaged.
    """
    path = home / "server.json"
    if not os.path.lexists(path):
        return None
    require_trusted(home)
    try:
        settings = Settings(**parse_json(read_small(path, owner=os.geteuid())))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is damaged, or no file of this account ({type(error).__name__}); restore it, or delete "
            f"{home} to begin an empty database"
        ) from None
    require_trusted(Path(settings.cluster_parent))
    return settings


def write_settings(home: Path, settings: Settings) -> None:
    """Write `server.json` into the directory of the embedded database, whole or not at all.

    Parameters
    ----------
    home
        Directory of the embedded database.
    settings
        What the file is to hold, its password included; the owner alone may read it.
    """
    temporary = home / ".server.json.part"
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(settings), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(home / "server.json")
