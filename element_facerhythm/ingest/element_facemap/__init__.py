"""Importing a database of Element Facemap; nothing is written there.

`import_element_facemap` reads the schemas that DataJoint 0.14 wrote on the same server by plain SQL: they are
never activated, since that would add to them.
"""

from element_facerhythm.ingest.element_facemap.importing import Imported, import_element_facemap
from element_facerhythm.ingest.element_facemap.legacy import LegacySchemas, find_schemas

__all__ = ["Imported", "LegacySchemas", "find_schemas", "import_element_facemap"]
