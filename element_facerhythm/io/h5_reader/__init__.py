"""The one reader of HDF5 files: of projects, ROIs, keypoints and other trackers, from any source.

A file is seen as groups and datasets whose numbers lie in the file itself. Names are looked up one level at
a time; links out of the file, soft links, virtual datasets, external storage and references are refused by
name, and what is not asked for is not opened. Sizes, depth and numbers of members are checked before
anything is read (`limits`). Whatever h5py raises over a file becomes a `ProjectError`.
"""

from element_facerhythm.io.h5_reader.dataset import H5Dataset
from element_facerhythm.io.h5_reader.group import H5Group, open_h5, root_of

__all__ = ["H5Dataset", "H5Group", "open_h5", "root_of"]
