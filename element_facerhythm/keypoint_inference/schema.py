"""The schema object that the tables of keypoints are declared in."""

from typing import Any

from element_facerhythm.embedded import import_datajoint

dj: Any = import_datajoint()

schema = dj.Schema()
