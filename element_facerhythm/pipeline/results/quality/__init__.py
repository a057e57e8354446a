"""Is a result plausible? One formula per check, limits in the parameter section `Quality`.

`assess` takes a finished project, of this package or of face-rhythm, and returns one `Verdict` per check.
A check warns or is red, and refuses nothing; what cannot be known of a project is ``"unknown"``, never
``"ok"``.
"""

from element_facerhythm.pipeline.records import Verdict
from element_facerhythm.pipeline.results.quality.assessment import assess

__all__ = ["Verdict", "assess"]
