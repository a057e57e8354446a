"""Matching by torch finds what the compiled kernels find: on the CPU, and on a GPU where there is one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from element_facerhythm.core.tracking import VideoToTrack, make_mesh
from element_facerhythm.core.tracking.anchored import (
    device_matcher,
    further_appearances,
    fusing,
    neighbour_kernel,
    on_device,
    patch_kernel,
    torch_matching,
    torch_neighbours,
)
from element_facerhythm.core.tracking.anchored.device_matcher import DeviceMatcher
from element_facerhythm.core.tracking.anchored.hints import displacements_between
from element_facerhythm.core.tracking.anchored.matcher import FIRST, MatchedBlock, Matcher, pyramid
from element_facerhythm.core.tracking.anchored.on_device import (
    DeviceWork,
    frames_per_block,
    read_blocks,
)
from element_facerhythm.core.tracking.anchored.references import build_matcher
from element_facerhythm.core.tracking.anchored.torch_matching import (
    DeviceTemplates,
    halved,
    smoothed,
)
from element_facerhythm.core.tracking.anchored.torch_neighbours import (
    expected_error,
    settle,
)
from element_facerhythm.core.tracking.refinement import VisiblePart
from element_facerhythm.errors import DecodeError, RoiError

DEVICES = [
    pytest.param(torch.device("cpu"), id="cpu"),
    pytest.param(torch.device("cuda"), id="cuda", marks=pytest.mark.gpu),
]
EVERY_DEVICE = pytest.mark.parametrize("device", DEVICES)
SIDES = (21, 17, 17)
PAD_PX = 52

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass(frozen=True)
class Scene:
    """Frames, the part of them that is matched, and templates made of some of them."""

    frames: np.ndarray
    part: VisiblePart
    stack: np.ndarray
    matcher: Matcher
    indices: np.ndarray
    displacements: np.ndarray

    def starts(self, numbers: np.ndarray) -> np.ndarray:
        between = displacements_between(self.indices, self.displacements, numbers)
        return self.matcher.home + between


def scene_of(frames: np.ndarray, grid: np.ndarray) -> Scene:
    """Frames, with templates made of every fourth of them."""
    part = VisiblePart(np.ones(frames.shape[1:], np.bool_), PAD_PX)
    stack = np.stack([part.smoothed(frame) for frame in frames])
    indices = np.arange(0, len(frames), 4)
    with ThreadPoolExecutor(1) as executor:
        matcher, displacements = build_matcher(
            stack[indices],
            grid + np.float32(PAD_PX),
            make_mesh(grid, n_neighbors=8).neighbors,
            (part.weights * 4096).astype(np.int16),
            SIDES,
            30.0,
            executor,
        )
    return Scene(frames, part, stack, matcher, indices, displacements)


@pytest.fixture(scope="module")
def scene(shifted_texture: Callable[[np.ndarray], np.ndarray], grid: np.ndarray) -> Scene:
    """A swaying scene in noise; an object hides a part of it in some frames."""
    t = np.arange(96)
    shifts = np.stack([3 * np.sin(t / 5.0), 2 * np.sin(t / 9.0)], axis=1)
    noise = np.random.default_rng(3).normal(0, 4, (len(t), 96, 128))
    frames = np.clip(np.rint(shifted_texture(shifts) + noise), 0, 255).astype(np.uint8)
    frames[40:52, 30:70, 40:75] = 200
    return scene_of(frames, grid)


def check_agreement(found: MatchedBlock, expected: MatchedBlock) -> None:
    both = found.taken & expected.taken
    assert np.mean(found.taken == expected.taken) >= 0.998
    assert np.mean(found.rows == expected.rows) >= 0.998
    apart_px = np.linalg.norm(found.displacement - expected.displacement, axis=2)
    assert np.median(apart_px) <= 0.003
    assert np.percentile(apart_px[both], 99) <= 0.05
    assert np.median(np.abs(found.confidence - expected.confidence)) <= 0.002


@EVERY_DEVICE
def test_a_block_is_matched_as_on_the_cpu(scene: Scene, device: torch.device) -> None:
    expected = scene.matcher.match(scene.stack)
    assert 0.005 < np.mean(~expected.taken) < 0.2  # what the object hides
    matcher = DeviceMatcher(scene.matcher, device)
    starts = scene.starts(np.arange(len(scene.stack)))
    check_agreement(matcher.match(scene.stack, starts), expected)
    check_agreement(matcher.match(scene.stack), expected)


@EVERY_DEVICE
def test_what_changes_is_found_by_the_appearance_that_the_cpu_finds(
    changing_scene: Any,
    grid: np.ndarray,
    device: torch.device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside = changing_scene.shows_two_appearances(grid)
    found = {}
    for n_appearances in (1, further_appearances.N_APPEARANCES):
        monkeypatch.setattr(further_appearances, "N_APPEARANCES", n_appearances)
        scene = scene_of(changing_scene.frames, grid)
        starts = scene.starts(np.arange(len(scene.stack)))
        found[n_appearances] = DeviceMatcher(scene.matcher, device).match(scene.stack, starts)
        missed = ~found[n_appearances].taken[np.ix_(changing_scene.is_changed, inside)]
        assert np.mean(missed) > 0.3 if n_appearances == 1 else np.mean(missed) < 0.02
    check_agreement(found[n_appearances], scene.matcher.match(scene.stack, starts))
    by_further_appearance = found[n_appearances].rows >= len(grid)
    assert by_further_appearance[np.ix_(changing_scene.is_changed, inside)].mean() > 0.98
    assert by_further_appearance[~changing_scene.is_changed].mean() < 0.02


@EVERY_DEVICE
def test_frames_in_which_the_hint_is_wrong_are_searched_from_home(
    scene: Scene, device: torch.device
) -> None:
    starts = scene.starts(np.arange(24)).copy()
    starts[7] += 40.0
    found = DeviceMatcher(scene.matcher, device).match(scene.stack[:24], starts)
    check_agreement(found, scene.matcher.match(scene.stack[:24]))


@EVERY_DEVICE
def test_single_matches_are_those_of_the_kernel(scene: Scene, device: torch.device) -> None:
    """From the same starts, to rounding; also at the border, without texture, and too far off."""
    rng = np.random.default_rng(5)
    n_points, n_frames = len(scene.matcher.home), len(scene.stack)
    frames, points = rng.integers(0, n_frames, 900), rng.integers(0, n_points, 900)
    starts = scene.matcher.home[points] + rng.normal(0, 3, (900, 2)).astype(np.float32)
    starts[:40] = rng.uniform(-5, 25, (40, 2))
    starts[40:80] = np.array(scene.stack.shape[:0:-1]) - rng.uniform(-5, 25, (40, 2))
    templates = scene.matcher.templates[0]
    sums = templates.sums.copy()
    sums[3, patch_kernel.POWER] = 0
    templates = replace(templates, sums=sums)
    places, correlations = templates.match(scene.stack, frames, points, starts, FIRST)
    found = DeviceTemplates(templates, device).match(
        *(torch.from_numpy(array).to(device) for array in (scene.stack, frames, points, starts)),
        FIRST,
    )
    there, alike = (part.cpu().numpy() for part in found)
    assert np.mean((alike == -1) == (correlations == -1)) > 0.995
    assert 50 < np.count_nonzero(correlations == -1) < 400
    assert (alike[points == 3] == -1).all()
    same = np.abs(alike - correlations) < 1e-3
    assert np.mean(same) > 0.99
    assert np.abs(there - places)[same].max() < 0.02


@EVERY_DEVICE
def test_gray_levels_are_smoothed_and_halved_exactly(device: torch.device) -> None:
    frames = np.random.default_rng(2).integers(0, 256, (3, 31, 46), np.uint8)
    mask = np.zeros((31, 46), bool)
    mask[3:28, 5:46] = True
    part = VisiblePart(mask, 7)
    rows, columns = (torch.from_numpy(a).to(device) for a in (part.rows, part.columns))
    stack = smoothed(torch.from_numpy(frames).to(device), rows, columns)
    expected = np.stack([part.smoothed(frame) for frame in frames])
    np.testing.assert_array_equal(stack.cpu().numpy(), expected)
    half = halved(stack)
    for number, frame in enumerate(expected):
        _, once, twice = pyramid(frame, 3)
        np.testing.assert_array_equal(half[number].cpu().numpy(), once)
        np.testing.assert_array_equal(halved(half)[number].cpu().numpy(), twice)
    thin = np.arange(7, dtype=np.int16)[:, None] * 100
    np.testing.assert_array_equal(
        halved(torch.from_numpy(thin[None]).to(device))[0].cpu().numpy(), cv2.pyrDown(thin)
    )


@EVERY_DEVICE
def test_neighbours_are_heard_as_on_the_cpu(grid: np.ndarray, device: torch.device) -> None:
    rng = np.random.default_rng(7)
    neighbors, n = make_mesh(grid, n_neighbors=6).neighbors, len(grid)
    smooth = np.stack([np.sin(grid / 20 + b) for b in range(20)])
    found = (smooth + rng.normal(0, 0.3, (20, n, 2))).astype(np.float32)
    root = rng.normal(0, 2, (20, n, 2, 2))
    products = root @ root.swapaxes(2, 3)
    information = np.stack([products[..., 0, 0], products[..., 0, 1], products[..., 1, 1]], -1)
    hidden = np.hypot(*(grid - grid.mean(0)).T) < 16
    information[5:, hidden] = 0
    information = information.astype(np.float32)
    as_sent = [torch.from_numpy(a).to(device) for a in (found, information, neighbors)]
    settled = settle(*as_sent, 1.5, 48)
    # few sweeps are not quite at the minimum
    for n_sweeps, share, most_px in ((4, 50, 0.01), (400, 100, 0.001)):
        expected = np.zeros_like(found)
        neighbour_kernel.settle(found, information, neighbors, np.float32(1.5), n_sweeps, expected)
        apart_px = np.abs(settled.cpu().numpy() - expected)
        assert np.percentile(apart_px, share) < most_px
    for n_frames in (20, 2):
        square = expected_error(
            as_sent[0][:n_frames], settled[:n_frames], as_sent[1][:n_frames], as_sent[2], 1.5
        )
        expected_square = np.empty((n_frames, n), np.float32)
        neighbour_kernel.expected_error(
            found[:n_frames], settled[:n_frames].cpu().numpy(), information[:n_frames], neighbors,
            np.float32(1.5), expected_square,
        )  # fmt: skip
        np.testing.assert_allclose(square.cpu().numpy(), expected_square, rtol=1e-3)


@EVERY_DEVICE
def test_what_goes_to_the_device_comes_back_as_from_the_cpu(
    scene: Scene, device: torch.device, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    """Also in halves, where memory runs out."""
    places = np.arange(0, 96 * 128, 37)
    asked = []

    def between(number: int, numbers: np.ndarray) -> np.ndarray:
        asked.append((number, numbers.tolist()))
        return scene.starts(numbers) - scene.matcher.home

    work = DeviceWork(scene.matcher, scene.part, places, device, between)
    frames = torch.from_numpy(scene.frames[60:80])
    block, samples = work(3, 60, frames)
    assert asked == [(3, list(range(60, 80)))]
    np.testing.assert_array_equal(samples, scene.frames[60:80].reshape(20, -1)[:, places])
    check_agreement(block, scene.matcher.match(scene.stack[60:80]))
    real, sizes = on_device.smoothed, []

    def short_of_memory(there: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        sizes.append(len(there))
        if len(there) > 10:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(there, *others)

    monkeypatch.setattr(on_device, "smoothed", short_of_memory)
    halves, others = work(3, 60, frames)
    assert sizes == [20, 10, 10]
    assert "out of memory for 20 frames at once" in caplog.text
    np.testing.assert_array_equal(others, samples)
    check_agreement(halves, block)
    with pytest.raises(RoiError, match="use ROIs drawn on this video"):
        work(3, 60, frames[:, 1:])


def test_displacements_are_interpolated_between_sampled_frames() -> None:
    displacements = np.array([[[0, 0]], [[4, 8]], [[5, 5]]], np.float32)
    found = displacements_between(np.array([2, 6, 7]), displacements, np.array([0, 2, 3, 7, 9]))
    np.testing.assert_allclose(found[:, 0], [[0, 0], [0, 0], [1, 2], [5, 5], [5, 5]])
    (alone,) = displacements_between(np.array([5]), displacements[:1], np.array([3]))
    np.testing.assert_array_equal(alone, displacements[0])
    assert [frames_per_block(n) for n in (64 * 48, 640 * 480, 4000 * 3000)] == [256, 109, 8]


class Reader:
    """Frames in memory, as a decoder on the device would give them."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames, self.is_closed = torch.from_numpy(frames), False

    def read(self, start: int, stop: int) -> torch.Tensor:
        return self.frames[start:stop]

    def close(self) -> None:
        self.is_closed = True


def test_videos_are_read_side_by_side_each_in_order() -> None:
    arrays = [np.full((n, 2, 3), n, np.uint8) for n in (5, 9, 4)]
    for array in arrays:
        array[:, 0, 0] = np.arange(len(array))
    out = np.empty((0, 0, 2), np.float32)
    reader = Reader(arrays[1])

    def opened(number: int) -> Callable[[int], Iterator[np.ndarray]]:
        return lambda start: iter(arrays[number][start:])

    videos = [VideoToTrack(opened(n), len(arrays[n]), out) for n in (0, 1, 2)]
    videos[1] = VideoToTrack(opened(0), 9, out, open_reader=lambda: reader)
    blocks = list(read_blocks(videos, 4, 2))
    assert [(number, first) for number, first, _ in blocks[:4]] == [(0, 0), (1, 0), (0, 4), (1, 4)]
    for number, array in enumerate(arrays):
        own = np.concatenate([block.numpy() for video, _, block in blocks if video == number])
        np.testing.assert_array_equal(own, array)
    assert reader.is_closed
    short = VideoToTrack(opened(0), 7, out)
    with pytest.raises(DecodeError, match="ended before frame 5 of 7"):
        list(read_blocks([short], 4, 1))


@pytest.mark.parametrize("name", ["_step", "_sweep", "halved", "smoothed"])
def test_what_is_compiled_for_a_gpu_is_one_graph(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced as for a GPU, and run without a compiler: the same numbers."""
    module = torch_neighbours if name == "_sweep" else torch_matching
    compiled = torch.compile(
        getattr(module, name).__wrapped__,
        dynamic=True,
        fullgraph=True,
        backend="aot_eager",
    )
    called = []

    def call(*arguments: Any) -> Any:
        called.append(name)
        return compiled(*arguments)

    places = np.arange(9)
    nowhere = np.zeros((6, *scene.matcher.home.shape), np.float32)
    work = DeviceWork(scene.matcher, scene.part, places, torch.device("cpu"), lambda *_: nowhere)
    expected, _ = work(0, 0, torch.from_numpy(scene.frames[:6]))
    monkeypatch.setattr(module, name, call)
    for user in (device_matcher, on_device):
        monkeypatch.setattr(user, name, call, raising=False)
    found, _ = work(0, 0, torch.from_numpy(scene.frames[:6]))
    assert called
    np.testing.assert_allclose(found.displacement, expected.displacement, atol=1e-3)


def test_without_a_compiler_matching_on_a_gpu_is_slower_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(fusing, "find_spec", lambda _: None)
    fusing.can_fuse.cache_clear()
    assert not fusing.can_fuse()
    fusing.can_fuse.cache_clear()
    assert "slower: Triton or a C compiler is missing" in caplog.text
