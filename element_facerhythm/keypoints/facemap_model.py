"""Facemap's keypoint network with weights from a file that may come from any source.

The network is facemap's own (`facemap.pose.facemap_network.FMnet`; Syeda et al. 2024, "Facemap: a
framework for modeling neural activity based on orofacial tracking", Nature Neuroscience 27). Its
shape is read off the weights, so facemap's file of parameters is not needed. Weights are read as
tensors and nothing else: a pickle that would call something is refused. `facemap.pose.pose` and
`facemap.pose.model_loader` are never imported, since that downloads weights into the home
directory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.weights_file import read_weights

if TYPE_CHECKING:
    import torch

INPUT_PX = 256
"""The network sees a square of so many pixels."""

FACEMAP_BODY_PARTS = (
    "eye(back)", "eye(bottom)", "eye(front)", "eye(top)", "lowerlip", "mouth", "nose(bottom)",
    "nose(r)", "nose(tip)", "nose(top)", "nosebridge", "paw", "whisker(I)", "whisker(III)",
    "whisker(II)",
)  # fmt: skip
"""What facemap's published network finds, in the order of its outputs."""

_MAX_BLOCKS, _MAX_KERNEL, _MAX_OUTPUTS = 16, 64, 1000
_BLOCK = re.compile(r"Conv\.conv(\d+)\.conv\.conv_1\.2\.weight")
_UPSAMPLING = re.compile(r"Up_conv\.upconv(\d+)\.")
_OUTPUT = "Conv2_1x1.conv0.weight"


@dataclass(frozen=True)
class NetworkShape:
    """What makes one facemap network different from another.

    Attributes
    ----------
    channels
        Of each block, from the input inwards.
    kernel
        Width of the convolutions, in pixels.
    n_upsampling
        Blocks on the way back.
    n_outputs
        Body parts.
    """

    channels: tuple[int, ...]
    kernel: int
    n_upsampling: int
    n_outputs: int


@dataclass(frozen=True)
class FacemapModel:
    """A network that is ready to predict.

    Attributes
    ----------
    network
        Maps (B, 1, 256, 256) float32 images to three tensors (B, K, 64, 64).
    body_parts
        K names, in the order of the outputs.
    device
        Where it computes.
    """

    network: torch.nn.Module
    body_parts: tuple[str, ...]
    device: torch.device


def load_facemap_model(
    path: Path, body_parts: Sequence[str], *, device: torch.device, sha256: str | None = None
) -> FacemapModel:
    """Load weights from a file and put them into facemap's network.

    Parameters
    ----------
    path
        A state dictionary as facemap saves it (`.pt`).
    body_parts
        What the outputs are, in order.
    device
        Where to compute.
    sha256
        Expected digest of the file; None does not check.

    Raises
    ------
    KeypointError
        The file is missing, changed, damaged, holds anything but weights, or the weights are those of
        another network or of other body parts.
    """
    import torch
    from facemap.pose.facemap_network import FMnet

    state = read_weights(path, sha256=sha256)
    shape = network_shape(state, path)
    require_outputs(shape, body_parts, path)
    # on "meta" nothing is allocated before the shapes of all weights are known to fit
    with torch.device("meta"):
        network = FMnet(
            img_ch=1,
            output_ch=shape.n_outputs,
            labels_id=list(body_parts),
            channels=list(shape.channels),
            device=device,
            kernel=shape.kernel,
            shape=(INPUT_PX, INPUT_PX),
            n_upsample=shape.n_upsampling,
        )
    single = {n: w.float() if w.is_floating_point() else w for n, w in state.items()}
    try:
        network.load_state_dict(single, assign=True)
    except RuntimeError as error:
        raise KeypointError(
            f"{path} holds the weights of another network than facemap's, with layers missing or of other "
            "sizes; predictions of other trackers are taken in with task_mode 'load'"
        ) from error
    # channels last: on a CPU two thirds of the time, with the same numbers
    ready = network.eval().to(device, memory_format=torch.channels_last)
    return FacemapModel(ready, tuple(body_parts), device)


def network_shape(state: Mapping[str, torch.Tensor], path: Path) -> NetworkShape:
    """Read a network's shape off its weights.

    Parameters
    ----------
    state
        Weights by the names of facemap's layers; see `read_weights`.
    path
        The file that they come from, for the message.

    Raises
    ------
    KeypointError
        They are not those of facemap's network, or of one with more outputs or wider kernels than are taken.
    """
    blocks = {int(m[1]): state[m[0]] for name in state if (m := _BLOCK.fullmatch(name))}
    ups = {int(m[1]) for name in state if (m := _UPSAMPLING.match(name))}
    output = state.get(_OUTPUT)
    consecutive = sorted(blocks) == list(range(len(blocks))) and 2 <= len(blocks) <= _MAX_BLOCKS
    flat = [w for w in (output, *blocks.values()) if w is None or w.ndim != 4 or 0 in w.shape]
    if not consecutive or not 0 < len(ups) < len(blocks) or output is None or flat:
        raise KeypointError(
            f"{path} holds the weights of another network than facemap's (its layers have other names); "
            "predictions of other trackers are taken in with task_mode 'load'"
        )
    shape = NetworkShape(
        channels=tuple(int(blocks[i].shape[0]) for i in range(len(blocks))),
        kernel=int(blocks[0].shape[-1]),
        n_upsampling=len(ups),
        n_outputs=int(output.shape[0]),
    )
    if shape.kernel > _MAX_KERNEL or shape.n_outputs > _MAX_OUTPUTS:
        raise KeypointError(
            f"{path} holds a network with kernels of {shape.kernel} pixels and {shape.n_outputs} outputs; "
            f"expected {_MAX_KERNEL} and {_MAX_OUTPUTS} at most"
        )
    return shape


def require_outputs(shape: NetworkShape, body_parts: Sequence[str], path: Path) -> None:
    """Refuse a network that finds another number of body parts than are declared.

    Parameters
    ----------
    shape
        Of the network.
    body_parts
        Those declared, in the order of its outputs.
    path
        The file of its weights, for the message.

    Raises
    ------
    KeypointError
        The message says how many of each there are.
    """
    if shape.n_outputs != len(body_parts):
        raise KeypointError(
            f"{path} finds {shape.n_outputs} body parts, {len(body_parts)} are declared "
            f"({', '.join(body_parts)}); declare all that the network finds, in the order of its outputs"
        )
