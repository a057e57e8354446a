"""Spans in which many points were flagged."""

import numpy as np
import pytest

from element_facerhythm.core.tracking.flag_episodes import flag_episodes, frame_spans


def test_near_spans_are_one_episode_and_few_flags_none() -> None:
    shares = np.zeros(1000)
    shares[[10, 11, 14, 500]] = 0.1
    shares[[200, 201]] = 0.019
    assert flag_episodes(shares, frame_rate_hz=20.0).tolist() == [[10, 15], [500, 501]]
    assert flag_episodes(shares, frame_rate_hz=4.0).tolist() == [[10, 12], [14, 15], [500, 501]]
    assert flag_episodes(np.zeros(5), 60.0).shape == (0, 2)


@pytest.mark.parametrize("seed", range(20))
def test_spans_hold_the_frames_and_no_others(seed: int) -> None:
    frames = np.flatnonzero(np.random.default_rng(seed).random(60) < 0.5)
    spans = frame_spans(frames)
    held = [frame for first, stop in spans for frame in range(first, stop)]
    assert held == frames.tolist()
    assert (spans[1:, 0] > spans[:-1, 1]).all()
