"""Garbage collection: what no row refers to any more, in the object store and in the processed directory.

It may run while workers do. What keeps it from a live file is argued for in
docs/decisions/0009-products-in-an-object-store.md.
"""

from element_facerhythm.garbage.collect import GarbageReport, collect_garbage

__all__ = ["GarbageReport", "collect_garbage"]
