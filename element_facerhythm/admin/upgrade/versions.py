"""Changes of each version of the tables that its definitions do not show."""

from collections.abc import Mapping

from element_facerhythm.admin.upgrade.changes import Changes
from element_facerhythm.admin.upgrade.version_2 import VERSION_2

CHANGES: Mapping[int, Changes] = {2: VERSION_2}
"""By the version that they lead to. One that only adds columns which may be NULL, or have a default, needs
none."""
