"""Bouts: when a component is strong, by parameter sets of thresholds and lengths."""

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from element_facerhythm.core.rhythm.bouts import SETTINGS, BoutSettings
from element_facerhythm.database.columns import require_length
from element_facerhythm.errors import ParameterError
from element_facerhythm.facial_behavior_estimation.component_rhythm import ComponentRhythm
from element_facerhythm.facial_behavior_estimation.packed_arrays import (
    pack_array,
    unpack_array,
)
from element_facerhythm.facial_behavior_estimation.recording import Key
from element_facerhythm.facial_behavior_estimation.results import (
    FacialRhythm,  # noqa: F401  named in the definition
)
from element_facerhythm.facial_behavior_estimation.rhythm_rows import (
    bout_part_rows,
    rhythms_of_rows,
)
from element_facerhythm.facial_behavior_estimation.schema import dj, schema
from element_facerhythm.files.plain import whole_number
from element_facerhythm.pipeline.supervision import supervised

if TYPE_CHECKING:
    from element_facerhythm.pipeline.results.component_rhythms import ComponentBouts

ROWS_PER_INSERT = 2000

PackedRow = tuple[tuple[str, Any], ...]
PackedRows = tuple[PackedRow, ...]


def _row_of(bout_paramset_id: int, description: str, settings: BoutSettings) -> dict[str, Any]:
    values = {
        name: None if value is None else float(value) for name, value in asdict(settings).items()
    }
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return {
        "bout_paramset_id": bout_paramset_id,
        "bout_description": description,
        **values,
        "bout_parameter_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


@schema
class RhythmBoutParamSet(dj.Lookup):
    """When a rhythm counts as a bout: thresholds with hysteresis, merge gap, shortest length.

    Set 0, the default, is there from the beginning. Bouts are found with every set.
    """

    definition = """
    # Parameters of bouts
    bout_paramset_id     : int32   # number of the set
    ---
    bout_description     : varchar(255) # what it is for
    high_share           : float64 # a bout reaches this share of the component's 99th percentile
    noise_factor         : float64 # and at least so many times its noise
    high_px=null         : float64 # it reaches this amplitude instead, pixels
    low_over_high        : float64 # it stays above this share of what it reaches
    merge_gap_cycles     : float64 # bouts that are less far apart are one; periods of the component
    shortest_cycles      : float64 # bouts of fewer cycles are left out
    bout_parameter_sha256 : char(64) # digest of the values
    unique index (bout_parameter_sha256)
    """

    contents = (_row_of(0, "default", BoutSettings()),)

    @classmethod
    def insert_new_params(
        cls, bout_paramset_id: int | None, description: str, settings: BoutSettings
    ) -> int:
        """Store a parameter set, once.

        Parameters
        ----------
        bout_paramset_id
            Number to store it under; None takes the number it has already, else the next free one.
        description
            What it is for.
        settings
            The values.

        Returns
        -------
        int
            The number that these values are stored under.

        Raises
        ------
        ParameterError
            The number (or the content) is stored already with another content (or number).
        """
        require_length(cls, "bout_description", description)
        if bout_paramset_id is not None:
            bout_paramset_id = whole_number("bout_paramset_id", bout_paramset_id)
        row = _row_of(bout_paramset_id or 0, description, settings)
        same = cls() & {"bout_parameter_sha256": row["bout_parameter_sha256"]}
        if same:
            stored_id = int(same.fetch1("bout_paramset_id"))
            if bout_paramset_id not in (None, stored_id):
                raise ParameterError(
                    f"these values are stored already as bout_paramset_id {stored_id}; use that instead of "
                    f"{bout_paramset_id}"
                )
            return stored_id
        if bout_paramset_id is None:
            row["bout_paramset_id"] = 1 + max(map(int, cls.to_arrays("bout_paramset_id")))
        elif cls() & {"bout_paramset_id": bout_paramset_id}:
            raise ParameterError(
                f"bout_paramset_id {bout_paramset_id} holds other values; a stored set is never changed, so "
                "take another number"
            )
        cls.insert1(row)
        return int(row["bout_paramset_id"])


@schema
class RhythmBout(dj.Computed):
    """Bouts of the components of a run, by one parameter set."""

    definition = """
    # Recordings in which bouts were looked for
    -> ComponentRhythm
    -> RhythmBoutParamSet
    ---
    n_bouts              : int32 # bouts of all components
    """

    class Component(dj.Part):
        """A component: what its bouts reach, and how often it has some."""

        definition = """
        # Components in which bouts were looked for
        -> master
        -> ComponentRhythm.Component
        ---
        reach_px=null        : float64 # amplitude that a bout reaches, pixels; null if none is known
        stay_px=null         : float64 # amplitude that it stays above, pixels
        n_component_bouts    : int32   # bouts of the component
        bouts_per_minute=null : float64 # n_component_bouts / (rhythm_known_s / 60)
        bout_fraction=null   : float64 # time in bouts / rhythm_known_s
        """

    class Bout(dj.Part):
        """A bout. Times are on the clock of its video, as those of frames and windows."""

        definition = """
        # Bouts of rhythms
        -> master.Component
        -> FacialRhythm.Video
        bout_index           : int32   # order in time in its video, from 0
        ---
        onset_s              : float64 # time of its first frame, seconds
        offset_s             : float64 # time of its last frame, seconds
        bout_duration_s      : float64 # offset_s - onset_s
        onset_frame          : int64   # first frame
        offset_frame         : int64   # last frame
        n_cycles             : float64 # cycles that the phase goes through
        bout_mean_hz         : float64 # n_cycles over its time
        bout_peak_hz         : float64 # largest mean frequency of one period in it
        bout_mean_px         : float64 # mean of the amplitude
        bout_peak_px         : float64 # largest amplitude
        onset_phase_rad      : float64 # phase in the first frame, -pi to pi
        is_cut               : bool    # begins or ends at a gap, or an end of the video, and may be longer
        index (bout_mean_hz, bout_duration_s)
        index (onset_s)
        """

    def make_fetch(self, key: Key) -> tuple[PackedRow, PackedRows, PackedRows, PackedRows]:
        """Return the parameters and the rows of the rhythms, in plain values."""
        settings = (RhythmBoutParamSet() & key).to_dicts()
        parts = (ComponentRhythm.Component(), ComponentRhythm.Trace(), ComponentRhythm.FrameTime())
        components, traces, times = (
            tuple(_packed(row) for row in (part & key).to_dicts(order_by="KEY")) for part in parts
        )
        return _packed({name: settings[0][name] for name in SETTINGS}), components, traces, times

    @supervised
    def make_compute(
        self,
        key: Key,
        settings: PackedRow,
        components: PackedRows,
        traces: PackedRows,
        times: PackedRows,
    ) -> tuple[tuple["ComponentBouts", ...]]:
        """Find the bouts.

        Parameters
        ----------
        key
            Primary key of the row.
        settings, components, traces, times
            As `make_fetch` returns them.

        Returns
        -------
        Bouts of each component.
        """
        from element_facerhythm.pipeline.results.component_rhythms import rhythm_bouts

        rhythms = rhythms_of_rows(
            *([_unpacked(row) for row in rows] for rows in (components, traces, times))
        )
        return (rhythm_bouts(rhythms, BoutSettings(**_unpacked(settings))),)

    def make_insert(self, key: Key, found: tuple["ComponentBouts", ...]) -> None:
        """Insert the row and its parts.

        Parameters
        ----------
        key
            Primary key of the row.
        found
            As `make_compute` returns them.
        """
        self.insert1({**key, "n_bouts": sum(len(own.bouts) for own in found)})
        for name, rows in bout_part_rows(found):
            part = getattr(self, name)
            part.insert(({**key, **row} for row in rows), chunk_size=ROWS_PER_INSERT)


_ARRAYS = ("pattern", "analytic_px", "frame_times_s")


def _packed(row: dict[str, Any]) -> PackedRow:
    return tuple((k, pack_array(v) if k in _ARRAYS else v) for k, v in row.items())


def _unpacked(row: PackedRow) -> dict[str, Any]:
    return {k: unpack_array(v) if k in _ARRAYS else v for k, v in row}
