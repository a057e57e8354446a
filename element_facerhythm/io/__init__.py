"""Files: HDF5 products, project directories, ROI files. Nothing here computes or knows a database.

Import from the modules: `io.project.Project`, `io.lazy.LazyArray`, `io.rois_file.read_rois`.
"""
