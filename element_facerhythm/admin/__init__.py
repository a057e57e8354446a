"""What an administrator of a shared database does: create everything once, and grant rights by role.

`initialise` creates what is missing; `grants` gives the statements that make an account of a role, with no
more rights than its work needs.
"""

from element_facerhythm.admin.initialise import Initialised, initialise
from element_facerhythm.admin.roles import KINDS, ROLES, Right, Role, rights_of
from element_facerhythm.admin.statements import PASSWORD, Account, grants, require_mysql

__all__ = [
    "KINDS",
    "PASSWORD",
    "ROLES",
    "Account",
    "Initialised",
    "Right",
    "Role",
    "grants",
    "initialise",
    "require_mysql",
    "rights_of",
]
