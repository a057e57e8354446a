"""A small network of facemap's architecture, trained on the synthetic face until it finds its parts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from facemap.pose.facemap_network import FMnet

from element_facerhythm.demo.synthetic import Renderer, Scene, plan_scene
from element_facerhythm.demo.synthetic.drawing import EYE_CENTER, NOSE_TIP
from element_facerhythm.keypoints.facemap_frames import CELL_PX, BoundingBox, FrameWindow
from element_facerhythm.keypoints.facemap_model import INPUT_PX

PARTS = {
    "eye": EYE_CENTER,
    "nose(tip)": NOSE_TIP,
    "mouth": (250.0, 172.0),
    "whiskers": (222.0, 143.0),
}
CHANNELS = (8, 12, 16, 24, 24)
SIGMA_CELLS = 3.0
N_CELLS = INPUT_PX // CELL_PX


def face_scene(n_frames: int = 60, seed: int = 0) -> Scene:
    return plan_scene(
        n_frames=n_frames,
        width_px=160,
        height_px=120,
        frame_rate_hz=60.0,
        seed=seed,
        with_paw=False,
    )


def true_keypoints(scene: Scene) -> np.ndarray:
    """(T, K, 2) positions in pixels."""
    return scene.true_positions(scene.layout.to_px(tuple(PARTS.values())))


def new_network(
    channels: Sequence[int] = CHANNELS, n_outputs: int = len(PARTS), seed: int = 0
) -> torch.nn.Module:
    torch.manual_seed(seed)
    names = [f"part {i}" for i in range(n_outputs)]
    return FMnet(1, n_outputs, names, list(channels), torch.device("cpu"))


def save_weights(network: torch.nn.Module, path: Path) -> Path:
    torch.save(network.state_dict(), path)
    return path


def train_on_faces(n_steps: int = 220, batch_size: int = 6) -> torch.nn.Module:
    """Show the network the face in boxes of all sorts; what is learnt is looks, not places."""
    rng = np.random.default_rng(0)
    scene = face_scene()
    frames = np.stack(list(Renderer(scene).frames()))
    truth = true_keypoints(scene)
    network = new_network()
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=n_steps)
    for _ in range(n_steps):
        pictures, cells = zip(
            *(_sample(frames, truth, rng) for _ in range(batch_size)), strict=True
        )
        loss = _loss(network(torch.cat(pictures)), torch.from_numpy(np.stack(cells)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def _sample(
    frames: np.ndarray, truth: np.ndarray, rng: np.random.Generator
) -> tuple[torch.Tensor, np.ndarray]:
    """A picture and where its parts are, in cells (K, 2)."""
    index = int(rng.integers(len(frames)))
    height, width = frames.shape[1:]
    left, top = int(rng.integers(0, 40)), int(rng.integers(0, 20))
    right, bottom = width - int(rng.integers(0, 12)), height - int(rng.integers(0, 12))
    box = BoundingBox(left, right, top, bottom)
    window = FrameWindow(box, torch.device("cpu"))
    corners = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])
    origin, unit = window.place(corners)[0].numpy()
    cells = (truth[index] - origin) / (unit - origin) / CELL_PX
    return window.cut(frames[index : index + 1]), cells.astype(np.float32)


def _loss(outputs: tuple[torch.Tensor, ...], cells: torch.Tensor) -> torch.Tensor:
    heat, shift_x, shift_y = outputs
    grid = torch.arange(N_CELLS, dtype=torch.float32)
    away_x = grid[None, None, None, :] - cells[:, :, 0, None, None]
    away_y = grid[None, None, :, None] - cells[:, :, 1, None, None]
    near = torch.exp(-(away_x**2 + away_y**2) / (2 * SIGMA_CELLS**2))
    wanted = 10 * near / near.sum((2, 3), keepdim=True)
    weight = (near > 0.3).float()
    # the map that facemap calls x goes with the row
    row = ((shift_x - away_y / (2 * SIGMA_CELLS)) ** 2 * weight).sum() / weight.sum()
    column = ((shift_y - away_x / (2 * SIGMA_CELLS)) ** 2 * weight).sum() / weight.sum()
    return 1e3 * ((heat - wanted) ** 2).mean() + row + column
