# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a face video to rows, and from rows to figures
#
# This notebook walks through the five steps of working with `element-facerhythm` in Python:
# **activate** the tables, **insert** a recording, **populate** the results, **query** them, and
# **plot** what comes back.
#
# It uses the database that DataJoint is configured for. Where none is configured, it starts an
# embedded PostgreSQL of its own, so nothing needs to be set up.
#
# The video is synthetic: a mouse's face whose movements are formulas, so that we know what to find.

# %%
import os
import tempfile
from datetime import date, datetime
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image

folder = Path(tempfile.mkdtemp(prefix="facerhythm-tutorial-"))
os.environ.setdefault("FACERHYTHM_DB_PREFIX", "tutorial_")
if "DJ_HOST" in os.environ:
    # With a database of your own, recordings must lie below a root directory.
    os.environ.setdefault("FACERHYTHM_ROOT_DATA_DIR", str(folder))

# %% [markdown]
# ## A video
#
# Ten seconds at 60 frames per second: the mouse whisks at 10 Hz, sniffs at 5 Hz and chews at 2.5 Hz,
# each in bouts; it blinks once, and a paw passes in front of the face.

# %%
from element_facerhythm.demo.synthetic import make_scene_video
from element_facerhythm.figures import overlay_rois, png_bytes
from element_facerhythm.video import probe_video, read_rgb_frame

scene = make_scene_video(folder / "face.mp4")
video = probe_video(folder / "face.mp4")
print(
    f"{video.n_frames} frames counted, {video.frame_rate_hz:g} Hz, {video.width_px} x {video.height_px}"
)

# %% [markdown]
# Points are seeded inside one region of interest; a second one, larger, says what the tracker may
# see. Here the scene brings its own. For a video of yours, `facerhythm rois propose VIDEO` proposes
# regions from what moves, and any drawing tool that gives polygons will do.

# %%
figure = overlay_rois(read_rgb_frame(video.path, 0), scene.rois, spacing_px=7)
Image(png_bytes(figure), width=520)

# %% [markdown]
# ## Activate
#
# `element_facerhythm.workflow` activates everything on one database: `lab`, `subject` and `session`
# from the DataJoint Elements, and `facial_behavior_estimation` below them. A lab with its own
# pipeline calls `facial_behavior_estimation.activate(schema_name, linking_module=...)` instead.

# %%
from element_facerhythm.linking import active_link, relative_to_roots
from element_facerhythm.workflow import Device, Session, Subject
from element_facerhythm.workflow import facial_behavior_estimation as fbe

# %% [markdown]
# ## Insert
#
# A subject and a session, a recording of that session and its video file. Paths are stored relative
# to a root data directory, so that the rows mean the same on every machine.

# %%
subject = "mouse1"
Subject.insert1(
    {"subject": subject, "sex": "F", "subject_birth_date": date(2025, 11, 1)}, skip_duplicates=True
)
# each time that this notebook is run makes a session of its own
session_key = {"subject": subject, "session_id": 1 + len(Session & {"subject": subject})}
recording_key = {**session_key, "recording_id": 0}

Session.insert1({**session_key, "session_datetime": datetime(2026, 1, 15, 9, 30)})
Device.insert1(
    {"device": "face camera", "modality": "video", "description": "camera of face videos"},
    skip_duplicates=True,
)
fbe.VideoRecording.insert1({**recording_key, "device": "face camera"})
fbe.VideoRecording.File.insert1(
    {
        **recording_key,
        "file_id": 0,
        "file_path": relative_to_roots(video.path.resolve(), active_link().search_dirs()),
    }
)

# %% [markdown]
# Parameters follow face-rhythm's tree. A set that says nothing is fitted to each recording when it runs;
# `{"TCA": {"fit": {"params_method": {"rank": 8}}}}` would fix the number of components and leave the rest.
# Here it asks for signals of the whole face, too: motion energy, and what the motion is made of.

# %%
params = {"FacialSignal": {"signals": ["motion", "svd"], "n_components": 20}}
paramset_id = fbe.FaceRhythmParamSet.insert_new_params(
    None, "fitted to each recording, with motion energy", params
)
roi_key = fbe.FaceRhythmROI.insert_rois(recording_key, scene.rois, description="muzzle and eye")
task_key = {**roi_key, "paramset_id": paramset_id}
fbe.FaceRhythmTask.insert1({**task_key, "task_mode": "trigger"})
fbe.FaceRhythmTask & task_key

# %% [markdown]
# ## Populate
#
# `RecordingInfo` counts the frames, `FaceRhythmProcessing` tracks, transforms and decomposes, and
# `FacialRhythm` takes the results in. On a cluster, `facerhythm worker` does the same.

# %%
for table in fbe.POPULATED:
    table.populate(task_key)

(fbe.FaceRhythmProcessing.Stage & task_key).proj("reused", "stage_device")

# %% [markdown]
# What was left open was fitted, and the row says to what and why:

# %%
for value in (fbe.FaceRhythmProcessing & task_key).fetch1("parameters_fitted"):
    print(f"{value['name'].rpartition('.')[2]} = {value['value']}: {value['reason']}")

# %% [markdown]
# ## Query
#
# Every quantity is a plain column, so restrictions and SQL see the same things. Which components
# peak above 4 Hz, and cost more than 5 % of the explained variance if left out?

# %%
strong = (
    fbe.FacialRhythm.Component & task_key & "peak_frequency_hz > 4 AND explained_variance > 0.05"
)
strong.proj("peak_frequency_hz", "centroid_x_px", "centroid_y_px", "xy_ratio", "explained_variance")

# %% [markdown]
# How much of the recording was in doubt? A point that jumps further than a face moves is flagged.

# %%
(fbe.FacialRhythm & task_key).proj("n_points", "n_violations", "violation_fraction")

# %% [markdown]
# The same in SQL, for somebody who has never seen Python:

# %%
connection = fbe.schema.connection
rows = connection.query(
    f"""
    SELECT point_index, x_px, y_px, rms_displacement_px
    FROM {fbe.FacialRhythm.Point.full_table_name}
    WHERE subject = '{subject}' AND session_id = {session_key["session_id"]}
    ORDER BY rms_displacement_px DESC
    LIMIT 5
    """
).fetchall()
for row in rows:
    print("point {}: home ({:.0f}, {:.0f}), {:.2f} px rms".format(*row))

# %% [markdown]
# ## Plot
#
# A component has a course in time, a spectrum and a map of the face. `time_courses`, `spectra` and
# `spatial_maps` give them as arrays in seconds, hertz and pixels, in whatever tables and axes they are kept.

# %%
courses = fbe.FacialRhythm.time_courses(task_key)
spectra = fbe.FacialRhythm.spectra(task_key)

figure, axes = plt.subplots(
    len(courses), 2, figsize=(9, 6), sharex="col", width_ratios=(1, 2), layout="constrained"
)
for (left, right), course in zip(axes, courses, strict=True):
    left.semilogx(spectra.frequencies_hz, spectra.loadings[course.component_index])
    right.plot(course.times_s, course.loadings)
    left.set_ylabel(f"component {course.component_index}")
axes[-1, 0].set_xlabel("frequency (Hz)")
_ = axes[-1, 1].set_xlabel("time (s)")

# %% [markdown]
# Where the recording paused, `loadings` are NaN, so that no line is drawn across.

# %%
maps = fbe.FacialRhythm.spatial_maps(task_key)

figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for axis, direction in zip(axes, ("x", "y"), strict=True):
    drawn = axis.scatter(maps.x_px, maps.y_px, c=maps.loadings[direction][0], s=20, vmin=0)
    axis.set(title=f"component 0 along {direction}", xlabel="x (px)", aspect="equal")
    figure.colorbar(drawn, ax=axis)
axes[0].set_ylabel("y (px)")
axes[0].invert_yaxis()

# %% [markdown]
# `figure` draws all of it: where each component sits on the face, how fast it is, and when it was there. All
# components are on one scale, so that what explains little looks little.

# %%
fbe.FacialRhythm.figure(task_key, "components")

# %% [markdown]
# Whisking, sniffing and chewing come out as components of their own, at the frequency, place and time at
# which they were planted. One more is where whisking starts and stops, which spreads its spectrum to both
# sides, and one the paw that passes in the middle. What does such a rhythm look like? `cycles` shows one mean
# period: the path of each point, enlarged.

# %%
fbe.FacialRhythm.figure(task_key, "cycles")

# %% [markdown]
# `rois`, `displacements`, `violations` and `spectrogram` are the other figures. A worker draws all of them
# into the project directory, `facerhythm figures --subject mouse1` draws them again (`--format svg` for a
# paper), and `facerhythm report --subject mouse1` puts them into one page to send.

# %%
fbe.FacialRhythm.figure(task_key, "spectrogram")

# %% [markdown]
# Traces and spectrograms are too large for a row; they stay in the HDF5 products, and the row gives
# an array that reads what is asked for. One point of the whisker pad, tracked (line) and true (dots).
# A track is a displacement. At the middle of so narrow a movement it is a few per cent too small, since a
# window of 29 px is matched at once (`PointTracker.params_anchored.window_px`).

# %%
home = np.array(
    [
        (fbe.FacialRhythm.Point & task_key).to_arrays("x_px", order_by="point_index"),
        (fbe.FacialRhythm.Point & task_key).to_arrays("y_px", order_by="point_index"),
    ]
).T
point = int(np.argmin(np.linalg.norm(home - scene.source("whisking").region.center_px, axis=1)))
frames = slice(60, 150)

tracked = fbe.FacialRhythm.traces(task_key)[frames, point, 0]
true = scene.true_positions(home[[point]], np.arange(frames.start, frames.stop))[:, 0, 0]
times_s = np.arange(frames.start, frames.stop) / scene.frame_rate_hz

figure, axis = plt.subplots(figsize=(9, 3), layout="constrained")
axis.plot(times_s, tracked, label="tracked")
axis.plot(times_s, true, ".", label="true")
axis.set(xlabel="time (s)", ylabel="x (px)", title=f"point {point}")
_ = axis.legend()
# %% [markdown]
# ## Signals of the whole face
#
# Motion energy, which users of facemap plot first, comes from the frames that the tracking decoded. A region
# of interest has a row; so has each singular vector of its motion, with its share of the variance.

# %%
motion = fbe.FacialSignal.Region & task_key & {"signal_kind": "motion"}
motion.proj("region_name", "motion_mean", "motion_max", "n_motion_components")

# %%
energy = (motion & "roi_no = 0").fetch1("motion")[:]
figure, axis = plt.subplots(figsize=(9, 2.5), layout="constrained")
axis.plot(np.arange(len(energy)) / scene.frame_rate_hz, energy)
_ = axis.set(xlabel="time (s)", ylabel="motion energy", title="whole frame")

# %% [markdown]
# Which component goes with which signal, how much later, and could it be by chance? `q` counts all pairs that
# were looked at: of ten seconds it rarely is small, of an hour it is.

# %%
pairs = fbe.SignalRhythm.Pair & task_key & "signal_q_value >= 0"
for pair in pairs.to_dicts(order_by="abs(signal_correlation) DESC", limit=5):
    print(
        "component {component_index}, region {roi_no}, {coupled_trace} {coupled_component}: r = "
        "{signal_correlation:.2f} after {signal_lag_s:.2f} s, q = {signal_q_value:.3f}".format(
            **pair
        )
    )

# %% [markdown]
# ## Keypoints
#
# What is it that moves? Body parts that another tracker found, or facemap's network, say. Here the file
# of such a tracker is made from the truth, with some noise and some frames in which it saw nothing.

# %%
from element_facerhythm.ingest.keypoints import populate_keypoints, register_predictions
from element_facerhythm.keypoints import Predictions
from element_facerhythm.keypoints.formats import write_predictions
from element_facerhythm.workflow import keypoint_inference as kpi

rng = np.random.default_rng(0)
parts = {name: scene.source(name).region.center_px for name in ("whisking", "sniffing", "chewing")}
body_parts = ("whisker pad", "nose", "jaw")
positions = scene.true_positions(np.array(list(parts.values()))) + rng.normal(
    0, 0.3, (scene.n_frames, 3, 2)
)
positions[rng.random(positions.shape[:2]) < 0.02] = np.nan
predictions = Predictions(
    positions[:, None], rng.uniform(0.8, 1.0, (scene.n_frames, 1, 3)), body_parts
)
(file,) = write_predictions(predictions, folder / "tracker.h5", "dlc")

task = register_predictions(
    recording_key, [file], "DeepLabCut", model_name="tracker", add_body_parts=True
)
populate_keypoints(task.key)

# %% [markdown]
# Each body part is a row, with its track and with single numbers that SQL can ask for; `get_trajectory`
# gives the table that Element Facemap gives.

# %%
kpi.KeypointInference.get_trajectory(task.key, ["nose", "jaw"]).head(3)

# %%
(kpi.KeypointInference.BodyPartPosition & task.key).proj(
    "mean_likelihood", "missing_fraction", "median_speed_px_s"
)

# %% [markdown]
# Which body part moves when a component is strong? Full dots are more than chance would give (p below
# 0.05, by circular shift): the nose goes with sniffing, whisker pad and jaw, which lie close to each
# other, both with whisking and with chewing.

# %%
pairs = (kpi.KeypointRhythm.Pair & task.key & task_key).to_dicts()
peaks = (fbe.FacialRhythm.Component & task_key).to_arrays(
    "peak_frequency_hz", order_by="component_index"
)
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
for k, body_part in enumerate(body_parts):
    for row in (row for row in pairs if row["body_part"] == body_part):
        place, sure = row["component_index"] + 0.12 * (k - 1), row["p_value"] < 0.05
        axis.plot(
            place,
            row["correlation"],
            "o",
            color=f"C{k}",
            fillstyle="full" if sure else "none",
            label=body_part if row["component_index"] == 0 else None,
        )
axis.set(ylabel="correlation", ylim=(-1, 1), xlim=(-0.5, len(peaks) - 0.5))
axis.set_xticks(range(len(peaks)), [f"{i}: {peak:.1f} Hz" for i, peak in enumerate(peaks)])
axis.set_xlabel("component")
axis.axhline(0, color="gray", linewidth=0.6)
_ = axis.legend(loc="lower left")

# %% [markdown]
# **Where to go from here:** the page *Questions in SQL* of the documentation, `facerhythm worker` for
# many recordings, and *Use a shared lab database* for joining these tables with your own.
