"""A browser for the tests that look at the documentation as its readers do."""

import pytest

from tests.browser import can_have_browser
from tests.conftest import leave_out


@pytest.hookimpl(trylast=True)  # after -m and -k: what is not asked for installs nothing
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need a browser where none can be had, and say so."""
    wanted = [item for item in items if item.get_closest_marker("browser")]
    if wanted and not can_have_browser():
        why = f"{len(wanted)} browser tests did not run: they need chromium, and as root on Debian install it"
        leave_out(config, items, wanted, why)
