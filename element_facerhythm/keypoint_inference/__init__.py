"""Facial keypoints of video recordings, as DataJoint tables.

A `KeypointModel` finds `BodyPart`s; with a recording it makes a `KeypointInferenceTask`.
`KeypointInference` runs facemap's network on the recording, or takes in what another tracker predicted:
one track per body part, with plain columns for its statistics.
`KeypointRhythm` compares keypoints with the components of `facial_behavior_estimation`.
`Keypoint3D` finds keypoints in space where several recordings of a session have a calibrated `Camera`.

Call `activate` once per process before using the tables, or import `element_facerhythm.workflow`.
"""

from typing import Any

from element_facerhythm import facial_behavior_estimation
from element_facerhythm.database.table_creation import activating
from element_facerhythm.errors import ConfigurationError
from element_facerhythm.keypoint_inference.camera import Camera
from element_facerhythm.keypoint_inference.inference import KeypointInference
from element_facerhythm.keypoint_inference.model import BodyPart, KeypointModel
from element_facerhythm.keypoint_inference.rhythm import KeypointRhythm
from element_facerhythm.keypoint_inference.schema import schema
from element_facerhythm.keypoint_inference.space import Keypoint3D
from element_facerhythm.keypoint_inference.task import KeypointInferenceTask

POPULATED = (KeypointInference, KeypointRhythm, Keypoint3D)
"""Tables that `populate()` fills, upstream first."""

__all__ = [
    "POPULATED",
    "BodyPart",
    "Camera",
    "Keypoint3D",
    "KeypointInference",
    "KeypointInferenceTask",
    "KeypointModel",
    "KeypointRhythm",
    "activate",
    "schema",
]


def activate(
    schema_name: str,
    fbe_schema_name: str | None = None,
    *,
    create_schema: bool | None = None,
    create_tables: bool | None = None,
    linking_module: Any = None,
) -> None:
    """Bind the tables to a schema in the database.

    Parameters
    ----------
    schema_name
        Name of the schema on the database server.
    fbe_schema_name
        Schema of `facial_behavior_estimation`, activated first where it is not yet.
    create_schema, create_tables
        Whether to create what does not exist yet; None: as DataJoint's `database.create_tables` says.
    linking_module
        As for `facial_behavior_estimation.activate`; not needed where that was activated before.

    Raises
    ------
    ConfigurationError
        `facial_behavior_estimation` is not activated, and no schema was named for it; or its linking
        module lacks something.
    """
    if not facial_behavior_estimation.schema.is_activated():
        if fbe_schema_name is None:
            raise ConfigurationError(
                "facial_behavior_estimation is not activated: activate it first, or give fbe_schema_name and "
                "linking_module"
            )
        facial_behavior_estimation.activate(
            fbe_schema_name,
            create_schema=create_schema,
            create_tables=create_tables,
            linking_module=linking_module,
        )
    with activating(
        schema,
        schema_name,
        create_schema=create_schema,
        create_tables=create_tables,
        module="keypoint_inference",
    ) as flags:
        schema.activate(schema_name, **flags)
