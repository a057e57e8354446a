"""How the results were made: parameters, digests, versions and clock, as a table of names and JSON values.

Mappings are taken apart, a row for each value, since tables of NWB should hold none: the parameter
``TCA.fit.params_method.rank`` is the row ``parameters.TCA.fit.params_method.rank``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pynwb.epoch import TimeIntervals

import element_facerhythm
from element_facerhythm.curation.file import state_rows
from element_facerhythm.curation.state import State
from element_facerhythm.io.product_stamps import stage_fingerprint, stage_inputs, stage_record
from element_facerhythm.movies.source import recorded_videos
from element_facerhythm.pipeline.exchange.nwb.contents import PREFIX, Contents, table
from element_facerhythm.pipeline.results.recorded_parameters import executed_parameters
from element_facerhythm.pipeline.run.run_file import as_row, fitted_of_run

TABLE = f"{PREFIX}Provenance"


def add_provenance(contents: Contents, state: State, key: Mapping[str, Any]) -> None:
    """Add the table of provenance, the tracked videos and the gaps between their frames.

    Parameters
    ----------
    contents
        What they are added to.
    state
        What people decided about the results.
    key
        Primary key of the run, where it is a database's; else empty.
    """
    facts = {
        "exported_by": {"package": "element-facerhythm", "version": element_facerhythm.__version__},
        "layout": contents.project.layout,
        "products": {product.name: _product(product) for product in contents.project.products},
        **_parameters(contents),
        "clock": _clock(contents),
        **({"curation": state_rows(state)} if state != State() else {}),
        **({"database_key": dict(key)} if key else {}),
        "notes": contents.notes,
    }
    rows = dict(_leaves(facts))
    contents.made.append(
        table(
            TABLE,
            "How the results were made: a fact in each row.",
            {
                "fact": ("what the value is; places in lists count from 0", list(rows)),
                "value": (
                    "as JSON",
                    [json.dumps(value, default=str, ensure_ascii=False) for value in rows.values()],
                ),
            },
        )
    )
    contents.made.append(_videos(contents))
    gaps = _gaps(contents)
    if gaps is not None:
        contents.made.append(gaps)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield name and value of everything in a tree that is no mapping; lists of plain values stay whole."""
    if isinstance(value, Mapping):
        members = [(str(key), member) for key, member in value.items()]
    elif isinstance(value, list | tuple) and any(
        isinstance(v, Mapping | list | tuple) for v in value
    ):
        members = [(str(i), member) for i, member in enumerate(value)]
    else:
        yield name, value
        return
    for key, member in members:
        yield from _leaves(member, f"{name}.{key}" if name else key)


def _product(product: Any) -> dict[str, Any]:
    return {
        "sha256": product.sha256,
        "size_bytes": product.size_bytes,
        "stage_version": (stage_fingerprint(product.path) or {}).get("stage_version"),
        "inputs_sha256": stage_inputs(product.path),
        "record": stage_record(product.path),
    }


def _parameters(contents: Contents) -> dict[str, Any]:
    project = contents.project
    if project.holds_signals_alone:
        return {"parameters": None}
    executed = executed_parameters(project)
    contents.notes += executed.notes
    known = executed.all_known
    return {
        "parameters": None if executed.parameters is None else executed.parameters.to_tree(),
        **(
            {}
            if known is None
            else {
                "parameters_sha256": known.sha256(),
                "parameters_fitted": [
                    as_row(f) for f in fitted_of_run(project.directory, known, project.roots)
                ],
            }
        ),
    }


def _clock(contents: Contents) -> list[dict[str, Any]]:
    clock = contents.clock
    return [
        {
            "start_s": start,
            "frame_rate_hz": own.frame_rate_hz,
            "source": own.source,
            "jitter_s": own.jitter_s,
            "is_even": own.is_even,
        }
        for start, own in zip(clock.starts_s, clock.clocks, strict=True)
    ]


def _videos(contents: Contents) -> TimeIntervals:
    """Table of the tracked videos, from the first frame to the end of the last."""
    clock, project = contents.clock, contents.project
    made = TimeIntervals(name=f"{PREFIX}Videos", description="Videos as they were tracked.")
    made.add_column("n_frames", "frames that were tracked")
    made.add_column("files", "names of the files, by comma")
    made.add_column("sha256", "digests of the files, by comma; empty where not recorded")
    files = [] if project.holds_signals_alone else recorded_videos(project)
    for i, (start, own) in enumerate(zip(clock.starts_s, clock.clocks, strict=True)):
        of_video = files if len(clock.clocks) == 1 else files[i : i + 1]
        first_s = start + float(own.times_s[0])
        made.add_row(
            start_time=first_s,
            stop_time=first_s + own.duration_s,
            n_frames=clock.n_frames[i],
            files=", ".join(video.name for video in of_video),
            sha256=", ".join(video.sha256 or "" for video in of_video),
        )
    return made


def _gaps(contents: Contents) -> TimeIntervals | None:
    """Table of the intervals between frames in which others are missing; None where there is none."""
    clock, first = contents.clock, 0
    rows = []
    for n_frames, own in zip(clock.n_frames, clock.clocks, strict=True):
        for gap in own.gaps:
            before = first + gap.after_frame
            rows.append((*clock.frames.times_s[before : before + 2], before, gap))
        first += n_frames
    if not rows:
        return None
    made = TimeIntervals(
        name=f"{PREFIX}Gaps",
        description="From the last frame before a gap to the first one after it.",
    )
    made.add_column("after_frame", "frame before the gap, counted from 0 over all videos")
    made.add_column("n_missing", "frames that would have fitted in")
    made.add_column("is_bridged", "whether traces were interpolated across it")
    for start_s, stop_s, before, gap in rows:
        made.add_row(
            start_time=float(start_s), stop_time=float(stop_s), after_frame=int(before),
            n_missing=int(gap.n_missing), is_bridged=np.bool_(gap.is_bridged),
        )  # fmt: skip
    return made
