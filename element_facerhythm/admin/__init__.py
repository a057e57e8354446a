"""Tasks of the administrator of a shared database: creating the tables, and granting rights by role.

`initialise` creates what is missing, `create_views` views under Element Facemap's names; `grants` returns the
statements that make an account of a role, with no more rights than its work needs; `guard` those of an event
that ends readers on whom other connections wait.
"""

from element_facerhythm.admin.guard import GUARD, guard
from element_facerhythm.admin.initialise import Initialised, initialise
from element_facerhythm.admin.roles import KINDS, ROLES, Right, Role, rights_of
from element_facerhythm.admin.statements import PASSWORD, Account, grants, require_mysql
from element_facerhythm.admin.views import create_views

__all__ = [
    "GUARD",
    "KINDS",
    "PASSWORD",
    "ROLES",
    "Account",
    "Initialised",
    "Right",
    "Role",
    "create_views",
    "grants",
    "guard",
    "initialise",
    "require_mysql",
    "rights_of",
]
