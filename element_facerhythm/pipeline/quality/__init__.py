"""Is a result plausible? One formula per check, limits in the parameter section `Quality`.

`assess` looks at a finished project, ours or face-rhythm's own, and gives one `Verdict` per check. A check
warns or is red, and refuses nothing; what cannot be known of a project is ``"unknown"``, never ``"ok"``.
"""

from element_facerhythm.pipeline.quality.assessment import assess
from element_facerhythm.pipeline.quality.clock import clock_facts
from element_facerhythm.pipeline.records import Verdict

__all__ = ["Verdict", "assess", "clock_facts"]
