"""Garbage collection: what no row refers to any more, in the object store and in the processed directory.

It may run while workers do. Why it removes no file in use is explained in
docs/decisions/0009-products-in-an-object-store.md.
"""

from element_facerhythm.admin.garbage.collect import GarbageReport, collect_garbage

__all__ = ["GarbageReport", "collect_garbage"]
