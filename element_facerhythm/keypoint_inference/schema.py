"""The schema object that the tables of keypoints are declared in."""

from typing import Any

from element_facerhythm.database.activation import ElementSchema
from element_facerhythm.database.datajoint import import_datajoint

dj: Any = import_datajoint()

schema = ElementSchema(
    "keypoint_inference.activate(schema_name, fbe_schema_name, linking_module=...)"
)
