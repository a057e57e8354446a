"""Settings of tracking for tests: defaults, and changes by the names of fields alone."""

from dataclasses import asdict, fields, replace
from typing import Any

from element_facerhythm.core.tracking import (
    FlowSettings,
    PointDynamics,
    TrackingSettings,
    flow_settings,
)

PLAIN = TrackingSettings(
    flow=flow_settings([15, 15], 2, [3, 10, 0.03]),
    clahe=None,
    dynamics=PointDynamics(
        mesh_rigidity=0.0,
        relaxation=0.0,
        displacement_threshold_px=1000.0,
        n_frames_halted_before=4,
        n_frames_halted_after=5,
    ),
    refine=False,
)
"""No mesh, no relaxation, no CLAHE, no threshold that anything reaches."""


def changed(
    settings: TrackingSettings, changes: dict[str, Any]
) -> tuple[TrackingSettings, dict[str, Any]]:
    """Put changes into whichever part of the settings has the field; give back those that no part has."""
    left = dict(changes)
    flow, dynamics, own = (
        {field.name: left.pop(field.name) for field in fields(kind) if field.name in left}
        for kind in (FlowSettings, PointDynamics, TrackingSettings)
    )
    parts = {
        "flow": flow_settings(**{**asdict(settings.flow), **flow}),
        "dynamics": replace(settings.dynamics, **dynamics),
    }
    return replace(settings, **{**parts, **own}), left


def settings_with(**changes: Any) -> TrackingSettings:
    """Return `PLAIN` with some fields changed."""
    settings, left = changed(PLAIN, changes)
    assert not left, f"no settings of tracking: {sorted(left)}"
    return settings
