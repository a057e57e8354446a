"""The schema object that all tables of this package are declared in."""

from typing import Any

from element_facerhythm.embedded import import_datajoint

dj: Any = import_datajoint()

schema = dj.Schema()
