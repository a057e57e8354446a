"""The schema object that all tables of this package are declared in."""

from typing import Any

from element_facerhythm.database.activation import ElementSchema
from element_facerhythm.database.datajoint import import_datajoint

dj: Any = import_datajoint()

schema = ElementSchema("facial_behavior_estimation.activate(schema_name, linking_module=...)")
