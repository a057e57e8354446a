"""The schema object that all tables of this package are declared in."""

from element_facerhythm.embedded import import_datajoint

dj = import_datajoint()

schema = dj.Schema()
