"""The account that a process runs under."""

import getpass

from element_facerhythm.errors import RequestError


def account_name() -> str:
    """Name of the account that this process runs under.

    Raises
    ------
    RequestError
        It has none, as in a container without a list of accounts.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise RequestError(
            "the account of this process has no name; say who decides (--curator NAME)"
        ) from error
