"""Products in an object store: put there by the worker that made them, read from there by any client.

Used where the DataJoint store `facerhythm` has another protocol than `file` (`s3`, and what else DataJoint
knows). Objects are named by the digest of their content, so none is ever overwritten by another one. See
docs/decisions/0009-products-in-an-object-store.md.
"""

from element_facerhythm.storage.object_store import (
    ObjectStore,
    StoredObject,
    configured_store,
)
from element_facerhythm.storage.stored_array import StoredArray, present_file

__all__ = [
    "ObjectStore",
    "StoredArray",
    "StoredObject",
    "configured_store",
    "present_file",
]
