"""What ``run.json`` says of parameters, also where an earlier version wrote it."""

import hashlib
import json
from pathlib import Path

from element_facerhythm.parameters import parameters_from_mapping
from element_facerhythm.pipeline.run.run_file import parameters_of_run


def test_a_run_from_before_there_was_a_choice_was_tracked_by_flow(tmp_path: Path) -> None:
    given = {"PointTracker": {"method": "flow", "params_optical_flow": {"relaxation": 0.25}}}
    written = parameters_from_mapping(given).parameters
    tree = written.to_tree()
    for name in ("method", "params_anchored"):
        del tree["PointTracker"][name]
    del tree["FacialSignal"]
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    index = {"parameters": tree, "parameters_sha256": hashlib.sha256(text.encode()).hexdigest()}
    (tmp_path / "run.json").write_text(json.dumps(index))
    assert parameters_of_run(tmp_path) == written
