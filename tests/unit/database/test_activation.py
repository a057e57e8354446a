"""Tables that are used before they are activated say what to call, whatever is done with them."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import inspect, json, pydoc
from element_facerhythm import facial_behavior_estimation as fbe, fleet, keypoint_inference as kpi
from element_facerhythm.database.activation import dj
from element_facerhythm.database.table_creation import parts_of
from element_facerhythm.errors import ConfigurationError

USES = {
    "len": lambda table: len(table()), "repr": lambda table: repr(table()),
    "insert": lambda table: table.insert([{}], allow_direct_insert=True),
    "insert1": lambda table: table().insert1({}, allow_direct_insert=True),
    "restrict": lambda table: table & "1 = 0", "except": lambda table: table - {"a": 1},
    "join": lambda table: table * table, "to_dicts": lambda table: table.to_dicts(),
    "to_arrays": lambda table: table().to_arrays(), "fetch1": lambda table: table.fetch1(),
    "proj": lambda table: table.proj(), "heading": lambda table: table.heading,
    "primary_key": lambda table: table().primary_key, "iterate": lambda table: list(table),
    "in": lambda table: {} in table(), "bool": lambda table: bool(table()),
    "delete": lambda table: table.delete_quick(), "drop": lambda table: table().drop_quick(),
    "describe": lambda table: table.describe(), "connection": lambda table: table.connection,
    "diagram": lambda table: dj.Diagram(table),
}
POPULATED = {
    "populate": lambda table: table.populate(), "progress": lambda table: table.progress(),
    "jobs": lambda table: table.jobs.to_dicts(), "key_source": lambda table: table().key_source,
}
HELPERS = {
    "insert_new_params": lambda: fbe.FaceRhythmParamSet.insert_new_params(0, "", {}),
    "insert_from_run": lambda: fbe.FaceRhythmParamSet.insert_from_run({}),
    "insert_rois": lambda: fbe.FaceRhythmROI.insert_rois(
        {}, {"points": [[[1, 1], [9, 1], [9, 9]]]}),
    "infer_output_dir": lambda: fbe.FaceRhythmTask.infer_output_dir({}),
    "insert_new_model": lambda: kpi.KeypointModel.insert_new_model(0, "a"),
    "generate": lambda: kpi.KeypointInferenceTask.generate({}, 0),
    "root": fbe.get_facerhythm_root_data_dir, "list": kpi.schema.list_tables,
    "drop": lambda: fleet.schema.drop(prompt=False), "diagram": lambda: dj.Diagram(fbe.schema),
}

def said(use, *arguments):
    try:
        return f"no error, but {use(*arguments)!r}"
    except ConfigurationError as error:
        return str(error)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

found = {}
for module in (fbe, kpi, fleet):
    for master, _ in module.schema.declare_list:
        for table in (master, *parts_of(master)):
            for name, use in {**USES, **(POPULATED if table in fbe.POPULATED else {})}.items():
                found[f"{module.__name__} {table.__qualname__} {name}"] = said(use, table)
found |= {f"helper {name}": said(use) for name, use in HELPERS.items()}
inspect.getdoc(fbe.VideoRecording), pydoc.render_doc(fbe.VideoRecording), dir(fbe.VideoRecording)
print(json.dumps(found))
"""


def test_every_use_of_every_table_says_what_to_call(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=dict(os.environ), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    assert len(found) > 400
    wrong = {
        use: said
        for use, said in found.items()
        if "activate" not in said
        or "element_facerhythm.workflow" not in said
        or "Error:" in said
        or "no error" in said
    }
    assert wrong == {}
    for use, said in found.items():
        module, *table = use.split()
        name = module.rpartition(".")[2]
        # what a table populates from is a restriction of others, which are met first
        if module != "helper" and table[1] not in ("key_source", "progress", "populate"):
            assert said.startswith(table[0]) and f"{name}.activate(" in said
