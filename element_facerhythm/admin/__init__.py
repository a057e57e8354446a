"""What an administrator of a shared database does: create everything once, and grant rights by role.

`initialise` creates what is missing; `grants` gives the statements that make an account of a role, with no
more rights than its work needs; `guard` those of an event that ends readers who hold up others.
"""

from element_facerhythm.admin.guard import GUARD, guard
from element_facerhythm.admin.initialise import Initialised, initialise
from element_facerhythm.admin.roles import KINDS, ROLES, Right, Role, rights_of
from element_facerhythm.admin.statements import PASSWORD, Account, grants, require_mysql

__all__ = [
    "GUARD",
    "KINDS",
    "PASSWORD",
    "ROLES",
    "Account",
    "Initialised",
    "Right",
    "Role",
    "grants",
    "guard",
    "initialise",
    "require_mysql",
    "rights_of",
]
