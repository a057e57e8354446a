"""Keypoints of the recording, as poses of ndx-pose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import ndx_pose

from element_facerhythm.errors import RequestError
from element_facerhythm.keypoints.nwb_export import nwb_name, pose_series
from element_facerhythm.keypoints.placement import from_first_frame
from element_facerhythm.keypoints.predictions import Predictions
from element_facerhythm.keypoints.writing import left_out
from element_facerhythm.pipeline.exchange.nwb.contents import PREFIX, Contents
from element_facerhythm.pipeline.exchange.nwb.streams import compressed
from element_facerhythm.pipeline.run.run_file import run_facts


def add_keypoints(contents: Contents, keypoints: Mapping[str, Predictions]) -> None:
    """Add the poses of each individual of each set of keypoints.

    Parameters
    ----------
    contents
        What they are added to.
    keypoints
        Keypoints of all frames of the recording, by the name of what predicted them.

    Raises
    ------
    RequestError
        They are of another number of frames than the recording.
    KeypointError
        Two body parts would have one name in the file.
    """
    for name, predictions in keypoints.items():
        placed = of_frames(contents, name, predictions)
        of_several = len(placed.individuals) > 1
        for individual in placed.individuals:
            suffix = "_".join(
                nwb_name(part)
                for part, is_said in ((name, len(keypoints) > 1), (individual, of_several))
                if is_said
            )
            _add_poses(contents, name, suffix, placed.of_individual(individual))
        contents.notes += [note for note in left_out(placed, "nwb") if "subject" not in note]


def of_frames(contents: Contents, name: str, predictions: Predictions) -> Predictions:
    """Return the rows of keypoints that belong to the frames of the project.

    Parameters
    ----------
    contents
        Says which frames they are.
    name
        Of the keypoints, for messages.
    predictions
        Of the whole recording, or of these frames.

    Raises
    ------
    RequestError
        They are of another number of frames.
    """
    placed, n_frames = from_first_frame(predictions), len(contents.clock.frames)
    frames = run_facts(contents.project.directory, contents.project.roots).get("frames")
    if placed.n_frames != n_frames and frames is not None and placed.n_frames >= frames[1]:
        rows = slice(*frames)
        placed = replace(
            placed,
            positions=placed.positions[rows],
            likelihood=placed.likelihood[rows],
            variables={n: values[rows] for n, values in placed.variables.items()},
            frame_numbers=None,
            times_s=None,
        )
    if placed.n_frames != n_frames:
        raise RequestError(
            f"keypoints {name} are of {placed.n_frames} frames, and {contents.project.directory} is of "
            f"{n_frames}; give keypoints of this recording"
        )
    return placed


def _add_poses(contents: Contents, name: str, suffix: str, predictions: Predictions) -> None:
    about = f"_{suffix}" if suffix else ""
    series = [
        contents.clock.frames.series(
            ndx_pose.PoseEstimationSeries,
            **{n: compressed(v) if n in ("data", "confidence") else v for n, v in content.items()},
        )
        for content in pose_series(predictions)
    ]
    skeleton = ndx_pose.Skeleton(
        name=f"{PREFIX}Keypoints{about}", nodes=list(predictions.body_parts)
    )
    contents.made.append(
        ndx_pose.Skeletons(name=f"{PREFIX}KeypointSkeletons{about}", skeletons=[skeleton])
    )
    contents.made.append(
        ndx_pose.PoseEstimation(
            name=f"{PREFIX}Keypoints{about}",
            pose_estimation_series=series,
            description=f"keypoints of {', '.join(predictions.body_parts)}",
            scorer=name,
            source_software=predictions.source_software or predictions.predicted_by or "unknown",
            skeleton=skeleton,
            **contents.about,
        )
    )
