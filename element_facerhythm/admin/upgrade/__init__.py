"""Upgrades of tables of an earlier version to that of this package, without losing a row.

`make_plan` compares the tables with their definitions, `apply_plan` applies the plan. A new version needs a
number in `database/schema_version.py` and, where columns were renamed or existing rows get values, an entry
in `versions.py`.
"""

from element_facerhythm.admin.upgrade.applying import apply_plan
from element_facerhythm.admin.upgrade.planning import Plan, make_plan
from element_facerhythm.admin.upgrade.steps import Step

__all__ = ["Plan", "Step", "apply_plan", "make_plan"]
