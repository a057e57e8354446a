"""Facemap's network on videos: what it finds, and that nothing but weights is read from a file."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.facemap_frames import (
    BoundingBox,
    FrameWindow,
    gray_percentiles,
    located,
)
from element_facerhythm.keypoints.facemap_model import (
    FacemapModel,
    load_facemap_model,
    network_shape,
)
from element_facerhythm.keypoints.facemap_run import predict_keypoints
from element_facerhythm.keypoints.weights_file import read_weights
from tests.unit.keypoints.training import (
    CHANNELS,
    PARTS,
    face_scene,
    new_network,
    save_weights,
    true_keypoints,
)

NAMES = tuple(PARTS)
WHOLE = BoundingBox.whole(160, 120)
GOLDEN = Path(__file__).with_name("facemap_golden.npz")


@pytest.fixture
def weights(tmp_path):
    return save_weights(new_network().eval(), tmp_path / "small.pt")


@pytest.mark.slow
def test_finds_the_parts_of_a_face(trained_weights, face_video, cpu):
    """On a video that it was not trained on, with noise of other random numbers."""
    model = load_facemap_model(trained_weights, NAMES, device=cpu)
    video = face_video(7)
    run = predict_keypoints([video], [WHOLE], model)
    found = run.predictions
    error = np.linalg.norm(found.positions[:, 0] - true_keypoints(face_scene(seed=7)), axis=-1)
    assert np.median(error) <= 3.0
    assert (np.median(error, axis=0) <= 3.0).all()
    assert found.likelihood.min() >= 0.5
    assert found.body_parts == NAMES
    assert run.frames_per_s > 0


def test_equals_facemaps_own_functions(cpu, tmp_path):
    """Numbers that facemap 1.0.8 gave for these weights, frames and boxes; see benchmarks.keypoints."""
    with np.load(GOLDEN) as golden:
        state = {
            name.removeprefix("state/"): torch.from_numpy(value)
            for name, value in golden.items()
            if name.startswith("state/")
        }
        path = tmp_path / "golden.pt"
        torch.save(state, path)
        parts = tuple(map(str, golden["body_parts"]))
        model = load_facemap_model(path, parts, device=cpu)
        for case in map(str, golden["cases"]):
            frames, expected = golden[f"{case}/frames"], golden[f"{case}/expected"]
            top, bottom, left, right = map(int, golden[f"{case}/bbox"])
            window = FrameWindow(BoundingBox(left, right, top, bottom), cpu)
            with torch.inference_mode():
                positions, likelihood = located(*model.network(window.cut(frames)))
            apart = np.abs(window.place(positions).numpy() - expected[..., :2])
            assert apart.max() <= 0.05, case
            assert np.abs(likelihood.numpy() - expected[..., 2]).max() <= 1e-3, case


def test_batches_do_not_change_what_is_found(weights, face_video, cpu):
    model = load_facemap_model(weights, NAMES, device=cpu)
    video = face_video(1)
    told = []
    answers = [
        predict_keypoints([video], [WHOLE], model, batch_size=n, on_frames=told.append).predictions
        for n in (1, 7, 64)
    ]
    assert told[:60] == list(range(1, 61))
    assert told[-1] == 60
    for other in answers[1:]:
        np.testing.assert_allclose(other.positions, answers[0].positions, atol=1e-2)
        np.testing.assert_allclose(other.likelihood, answers[0].likelihood, atol=1e-5)


def test_running_out_of_memory_halves_and_goes_on(weights, face_video, cpu, caplog):
    model = load_facemap_model(weights, NAMES, device=cpu)
    video = face_video(1)
    expected = predict_keypoints([video], [WHOLE], model, batch_size=8).predictions

    class Small(torch.nn.Module):
        def forward(self, pictures):
            if len(pictures) > 3:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return model.network(pictures)

    small = FacemapModel(Small(), model.body_parts, cpu)
    found = predict_keypoints([video], [WHOLE], small, batch_size=8).predictions
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-2)
    assert "out of memory for 8 frames at once" in caplog.text


def test_videos_stay_in_their_order_each_with_its_box(weights, face_video, cpu):
    model = load_facemap_model(weights, NAMES, device=cpu)
    videos = [face_video(1), face_video(2)]
    boxes = [WHOLE, BoundingBox(20, 150, 10, 110)]
    together = predict_keypoints(videos, boxes, model).predictions
    alone = [
        predict_keypoints([v], [b], model).predictions for v, b in zip(videos, boxes, strict=True)
    ]
    expected = np.concatenate([part.positions for part in alone])
    np.testing.assert_allclose(together.positions, expected, atol=1e-2)


@pytest.mark.parametrize(
    "box", [BoundingBox(0, 121, 0, 90), BoundingBox(3, 78, 10, 85), BoundingBox(7, 20, 1, 90)]
)
def test_positions_come_back_to_where_they_were_cut(box, cpu):
    """The middle of a bright square is where it was after cropping, padding, resizing and placing."""
    frames = np.full((1, 90, 121), 10, np.uint8)
    x, y = (box.left + box.right) // 2, (box.top + box.bottom) // 2
    frames[0, y - 2 : y + 3, x - 2 : x + 3] = 250
    frames[0, [0, -1]] = 250  # beside the box or at its rim: sets the brightest percentile
    window = FrameWindow(box, cpu)
    picture = window.cut(frames)[0, 0]
    assert picture.shape == (256, 256)
    inner = picture.numpy().copy()
    inner[:24], inner[-24:] = 0, 0
    rows, columns = np.nonzero(inner > 0.5)
    middle = torch.tensor([[[float(columns.mean()), float(rows.mean())]]])
    side = max(box.shape) + (max(box.shape) - min(box.shape)) % 2
    assert np.abs(window.place(middle)[0, 0].numpy() - [x, y]).max() <= 0.5 + side / 256


def test_percentiles_are_torchs(random_frames):
    low, high = gray_percentiles(random_frames)
    for frame, a, b in zip(random_frames, low, high, strict=True):
        values = torch.from_numpy(frame.astype(np.float32))
        assert abs(float(torch.quantile(values, 0.01)) - a) < 1e-2
        assert abs(float(torch.quantile(values, 0.99)) - b) < 1e-2


def test_a_frame_of_one_gray_has_no_keypoints(weights, cpu, tmp_path):
    from element_facerhythm.demo.synthetic import write_gray_video
    from element_facerhythm.video import probe_video

    frames = np.zeros((6, 64, 64), np.uint8)
    frames[:3] = np.random.default_rng(0).integers(0, 255, (3, 64, 64))
    write_gray_video(tmp_path / "dark.mkv", iter(frames), frame_rate_hz=30.0)
    model = load_facemap_model(weights, NAMES, device=cpu)
    video = probe_video(tmp_path / "dark.mkv")
    found = predict_keypoints([video], [BoundingBox.whole(64, 64)], model).predictions
    assert np.isfinite(found.positions[:3]).all()
    assert np.isnan(found.positions[3:]).all()
    assert np.isnan(found.likelihood[3:]).all()


@pytest.mark.parametrize(
    "box",
    [
        BoundingBox(-1, 20, 0, 20),
        BoundingBox(0, 161, 0, 20),
        BoundingBox(0, 20, 0, 121),
        BoundingBox(20, 20, 0, 20),
        BoundingBox(0, 20, 30, 20),
    ],
)
def test_a_box_outside_the_frame_is_refused(weights, face_video, cpu, box):
    model = load_facemap_model(weights, NAMES, device=cpu)
    with pytest.raises(KeypointError, match="outside of the frame of 160 x 120 px"):
        predict_keypoints([face_video(1)], [box], model)


def test_the_shape_is_read_off_the_weights(weights):
    shape = network_shape(read_weights(weights), weights)
    assert shape.channels == CHANNELS
    assert (shape.kernel, shape.n_upsampling, shape.n_outputs) == (3, 2, len(PARTS))


class Trap:
    """Runs something when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("trap was sprung"),))


@pytest.mark.parametrize("kind", ["torch", "pickle", "beside weights"])
def test_a_file_that_would_run_code_is_not_opened(weights, tmp_path, cpu, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "foreign.pt"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Trap()))
    else:
        torch.save(Trap() if kind == "torch" else {**torch.load(weights), "x": Trap()}, path)
    with pytest.raises(KeypointError, match="could run code"):
        load_facemap_model(path, NAMES, device=cpu)
    assert not Path("trap was sprung").exists()


def damaged(path, weights):
    content = weights.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def text(path, weights):
    path.write_text("weights")


def another_network(path, weights):
    torch.save(torch.nn.Linear(3, 4).state_dict(), path)


def a_tensor(path, weights):
    torch.save(torch.zeros(3), path)


def lacking_a_layer(path, weights):
    state = torch.load(weights)
    del state["Conv.conv1.conv.conv_0.2.weight"]
    torch.save(state, path)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (damaged, "damaged"),
        (text, "holds more than weights, or none|damaged"),
        (another_network, "another network than facemap's"),
        (a_tensor, "not a dictionary of weights"),
        (lacking_a_layer, "another network than facemap's"),
    ],
)
def test_a_foreign_or_damaged_file_is_refused(weights, tmp_path, cpu, make, match):
    path = tmp_path / "other.pt"
    make(path, weights)
    with pytest.raises(KeypointError, match=match):
        load_facemap_model(path, NAMES, device=cpu)


def test_other_body_parts_than_outputs_are_refused(weights, cpu):
    with pytest.raises(KeypointError, match="finds 4 body parts, 3 are declared"):
        load_facemap_model(weights, NAMES[:3], device=cpu)


def test_changed_and_missing_weights_are_told(weights, tmp_path, cpu):
    with pytest.raises(KeypointError, match="changed since it was entered"):
        load_facemap_model(weights, NAMES, device=cpu, sha256="0" * 64)
    with pytest.raises(KeypointError, match="does not exist"):
        load_facemap_model(tmp_path / "none.pt", NAMES, device=cpu)


@pytest.mark.gpu
def test_cuda_finds_what_the_cpu_finds(trained_weights, face_video):
    answers = []
    for name, mixed in (("cpu", None), ("cuda", False), ("cuda", None)):
        model = load_facemap_model(trained_weights, NAMES, device=torch.device(name))
        answers.append(predict_keypoints([face_video(7)], [WHOLE], model, mixed_precision=mixed))
    cpu, cuda, mixed_cuda = (answer.predictions.positions for answer in answers)
    assert np.abs(cuda - cpu).max() <= 0.05
    assert np.median(np.abs(mixed_cuda - cpu)) <= 0.05
