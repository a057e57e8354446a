"""Many sequences at once give the tracks that each gives alone, replays and all."""

import logging

import numpy as np
import pytest
import torch

from element_facerhythm.core.tracking import ClaheSettings, track_points
from element_facerhythm.core.tracking.batched import (
    BatchSizes,
    IteratedFrames,
    TrackingSequence,
    track_side_by_side,
)
from element_facerhythm.core.tracking.batched.pool import FramePool
from element_facerhythm.errors import DecodeError, ParameterError, ProcessingError, RoiError
from tests.tracking_settings import changed

HOW = [
    ("cpu", "torch"),
    pytest.param("cuda", "torch", marks=pytest.mark.gpu),
    pytest.param("cuda", "triton", marks=[pytest.mark.gpu, pytest.mark.triton]),
]
SPANS = [(0, 40), (9, 38), (14, 33)]


def opener(frames):
    return lambda start: iter(frames[start:])


def sequences(frames, n_points, spans=SPANS, frozen=None):
    return [
        TrackingSequence(
            lambda: IteratedFrames(opener(frames), pinned=False),
            first,
            last - first,
            np.full((last - first, n_points, 2), np.nan, np.float32),
            None if frozen is None else frozen[first:last],
        )
        for first, last in spans
    ]


def change(options, **changes):
    options["settings"], left = changed(options["settings"], changes)
    assert not left


def alone(frames, points, span, options, frozen=None):
    first, last = span
    return track_points(
        opener(frames[first:last]),
        last - first,
        points,
        frames_freeze=None if frozen is None else frozen[first:last],
        **options,
    )


@pytest.mark.parametrize(("device", "backend"), HOW)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"displacement_threshold_px": 2.7, "refine": True},
        {"displacement_threshold_px": 2.7, "n_frames_halted_before": 0, "n_frames_halted_after": 1},
        {"displacement_threshold_px": 2.7, "relaxation_during_freeze": False, "frozen": True},
    ],
    ids=["calm", "refined", "short halts", "frozen frames"],
)
def test_side_by_side_equals_alone(swaying, few_points, options, device, backend, changes):
    change(options, **{name: value for name, value in changes.items() if name != "frozen"})
    frozen = np.arange(40) % 15 >= 13 if "frozen" in changes else None
    together = track_side_by_side(
        sequences(swaying, 12, frozen=frozen),
        few_points,
        device=device,
        backend=backend,
        **options,
    )
    n_flags = 0
    for tracked, span in zip(together, SPANS, strict=True):
        expected = alone(swaying, few_points, span, options, frozen)
        apart_px = np.abs(tracked.points - expected.points)
        assert np.median(apart_px) <= 0.001
        assert np.percentile(apart_px, 99) <= 0.02
        assert np.array_equal(tracked.violation_rows, expected.violation_rows)
        assert np.array_equal(tracked.violation_cols, expected.violation_cols)
        assert tracked.n_frames_processed == expected.n_frames_processed
        n_flags += len(tracked.violation_rows)
    assert (n_flags > 0) == ("displacement_threshold_px" in changes)


@pytest.mark.parametrize(("device", "backend"), HOW)
@pytest.mark.parametrize(("light", "percent_near"), [(1.0, 99), (0.05, 95)], ids=["clear", "dark"])
def test_behind_a_bar_and_in_the_dark_as_alone(
    passing_bar, few_points, options, device, backend, light, percent_near
):
    """Points that are hidden, carried, or searched for where noise is stronger than texture.

    There the order of float sums decides some matches, differently on every kind of processor.
    """
    noise = np.random.default_rng(5).normal(0, 3.0, passing_bar.shape)
    frames = np.rint(np.clip(passing_bar * light + noise, 0, 255)).astype(np.uint8)
    change(options, refine=True, clahe=ClaheSettings(20.0, (20, 16)))
    spans = [(0, 30), (7, 26)]
    together = track_side_by_side(
        sequences(frames, 12, spans), few_points, device=device, backend=backend, **options
    )
    for tracked, span in zip(together, spans, strict=True):
        expected = alone(frames, few_points, span, options)
        apart_px = np.abs(tracked.points - expected.points)
        assert np.median(apart_px) <= 0.001
        assert np.percentile(apart_px, percent_near) <= 0.02


@pytest.mark.parametrize(("device", "backend"), HOW)
@pytest.mark.parametrize("sizes", [BatchSizes(), BatchSizes(2, 4, 3)], ids=["usual", "small"])
def test_in_light_that_changes_and_in_the_dark_as_alone(
    swaying, few_points, options, device, backend, sizes
):
    """Flicker; dark for longer than frames are kept; a sequence that begins in the dark."""
    noise = np.random.default_rng(5).normal(0, 2.0, swaying.shape)
    light = 0.8 + 0.2 * np.sin(2.1 * np.arange(40))[:, None, None]
    light[12:28] = 0.02
    frames = np.rint(np.clip(swaying * light + noise + 4, 0, 255)).astype(np.uint8)
    change(options, refine=True, clahe=ClaheSettings(20.0, (20, 16)))
    change(options, displacement_threshold_px=2.7, n_frames_halted_before=2)
    spans = [(0, 40), (20, 40)]
    together = track_side_by_side(
        sequences(frames, 12, spans),
        few_points,
        device=device,
        backend=backend,
        sizes=sizes,
        **options,
    )
    for tracked, span in zip(together, spans, strict=True):
        expected = alone(frames, few_points, span, options)
        assert np.array_equal(tracked.held_frames + span[0], np.arange(max(span[0], 12), 28))
        assert np.array_equal(tracked.held_frames, expected.held_frames)
        assert np.array_equal(tracked.frame_light, expected.frame_light, equal_nan=True)
        assert np.array_equal(tracked.violation_rows, expected.violation_rows)
        apart_px = np.abs(tracked.points - expected.points)
        assert np.median(apart_px) <= 0.001
        assert np.percentile(apart_px, 99) <= 0.02


@pytest.mark.parametrize(
    "sizes",
    [BatchSizes(1, 32, 32), BatchSizes(2, 1, 7), BatchSizes(3, 5, 2), BatchSizes(128, 64, 9)],
)
def test_how_much_is_done_at_once_changes_nothing(swaying, few_points, options, sizes):
    change(options, displacement_threshold_px=2.7)
    usual = track_side_by_side(sequences(swaying, 12), few_points, device="cpu", **options)
    told = []
    other = track_side_by_side(
        sequences(swaying, 12),
        few_points,
        device="cpu",
        sizes=sizes,
        on_frames=lambda number, n_done: told.append((number, n_done)),
        **options,
    )
    for one, two in zip(usual, other, strict=True):
        assert np.array_equal(one.points, two.points)
        assert np.array_equal(one.violation_rows, two.violation_rows)
    for number, (first, last) in enumerate(SPANS):
        counts = [n for which, n in told if which == number]
        assert counts == sorted(counts)
        assert counts[-1] == last - first


def test_running_out_of_memory_halves_and_goes_on(
    swaying, few_points, options, monkeypatch, caplog
):
    change(options, displacement_threshold_px=2.7)
    usual = track_side_by_side(sequences(swaying, 12), few_points, device="cpu", **options)
    allocate, put, n_puts = FramePool.__init__, FramePool.put, []

    def scarce_allocate(self, *arguments, n_slots, **others):
        if n_slots > 50:
            raise torch.cuda.OutOfMemoryError("no room for so many frames")
        allocate(self, *arguments, n_slots=n_slots, **others)

    def scarce_put(self, slots, frames):
        n_puts.append(len(slots))
        if len(n_puts) == 3:  # in the middle of the work
            raise RuntimeError("CUDA error: out of memory")
        put(self, slots, frames)

    monkeypatch.setattr(FramePool, "__init__", scarce_allocate)
    monkeypatch.setattr(FramePool, "put", scarce_put)
    with caplog.at_level(logging.WARNING):
        scarce = track_side_by_side(
            sequences(swaying, 12), few_points, device="cpu", sizes=BatchSizes(4, 8, 16), **options
        )
    for one, two in zip(usual, scarce, strict=True):
        assert np.array_equal(one.points, two.points)
        assert np.array_equal(one.violation_rows, two.violation_rows)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "2 sequences side by side instead of 4" in messages[0]
    assert "1 sequences side by side instead of 2" in messages[1]


def test_memory_for_less_than_two_frames_is_an_error(swaying, few_points, options, monkeypatch):
    def full(self, *arguments, **others):
        raise torch.cuda.OutOfMemoryError("nothing is left")

    monkeypatch.setattr(FramePool, "__init__", full)
    with pytest.raises(ProcessingError, match=r"does not hold two frames.*nothing is left"):
        track_side_by_side(sequences(swaying, 12), few_points, device="cpu", **options)


def test_a_video_that_ends_early_names_the_frame(swaying, few_points, options):
    short = sequences(swaying, 12, [(0, 50)])
    with pytest.raises(DecodeError, match="before frame 40"):
        track_side_by_side(short, few_points, device="cpu", **options)
    with pytest.raises(DecodeError, match="before frame 44"):
        track_side_by_side(sequences(swaying, 12, [(44, 50)]), few_points, device="cpu", **options)


def test_arguments_that_do_not_fit_are_refused(swaying, few_points, options):
    with pytest.raises(ParameterError, match="out of sequence 0 has shape"):
        track_side_by_side(sequences(swaying, 11), few_points, device="cpu", **options)
    with pytest.raises(ParameterError, match="backend is 'opencv'"):
        track_side_by_side([], few_points, device="cpu", backend="opencv", **options)
    options["visible_mask"] = np.ones((50, 50), bool)
    with pytest.raises(RoiError, match="128 x 96 px"):
        track_side_by_side(sequences(swaying, 12), few_points, device="cpu", **options)
    change(options, rewind="face-rhythm")
    with pytest.raises(ParameterError, match="rewind is 'face-rhythm', whose numbers OpenCV alone"):
        track_side_by_side(sequences(swaying, 12), few_points, device="cpu", **options)
