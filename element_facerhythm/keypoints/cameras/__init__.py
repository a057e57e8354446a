"""Several calibrated cameras of a session: their calibrations, and keypoints in space from what they see.

`calibration` reads what other programs calibrated, `matching` finds frames of the same moment, `views` lays
the keypoints of all cameras side by side, `triangulation` finds their positions in space, `refinement`
improves the cameras by them, `results` and `tables_of_space` write files.
"""

from element_facerhythm.keypoints.cameras.calibration import read_cameras
from element_facerhythm.keypoints.cameras.camera import Camera
from element_facerhythm.keypoints.cameras.reconstruction import (
    Reconstruction,
    ReconstructionOptions,
    reconstruct,
)
from element_facerhythm.keypoints.cameras.views import View

__all__ = [
    "Camera",
    "Reconstruction",
    "ReconstructionOptions",
    "View",
    "read_cameras",
    "reconstruct",
]
