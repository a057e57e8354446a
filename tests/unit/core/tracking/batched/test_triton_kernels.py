"""The Triton kernels do what torch's operations do, and compile for a GPU without one."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from element_facerhythm.core.tracking import make_mesh
from element_facerhythm.core.tracking.batched.backends import make_stepper
from element_facerhythm.core.tracking.batched.clahe import BatchedPreparation
from element_facerhythm.core.tracking.batched.geometry import pyramid_geometry
from element_facerhythm.core.tracking.batched.pool import FramePool
from element_facerhythm.core.tracking.batched.steps import Scene
from tests.tracking_settings import settings_with

pytestmark = pytest.mark.triton

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("window", "levels", "refine", "dimmed"),
    [
        ([7, 7], 1, False, False),
        ([8, 6], 0, False, False),
        ([9, 9], 1, True, False),
        ([9, 9], 1, True, True),
    ],
)
def test_steps_equal_those_of_torch(swaying, few_points, device, window, levels, refine, dimmed):
    """Two sequences; one point is held, one has left the frame; one sequence only settles at last.

    Dimmed: a frame is darker, more so below, than the one before; in one of the sequences.
    """
    there = torch.device(device)
    points = np.concatenate([few_points[:2], [[500.0, 20.0], [1.0, 94.0]]]).astype(np.float32)
    settings = settings_with(
        window_px=window,
        max_level=levels,
        criteria=[3, 4, 0.01],
        mesh_rigidity=0.05,
        relaxation=0.2,
        displacement_threshold_px=2.0,
    )
    geometry = pyramid_geometry((96, 128), settings.flow)
    visible = np.ones((96, 128), bool)
    preparation = BatchedPreparation(visible, None, device=there, use_triton=False)
    pool = FramePool(
        geometry,
        preparation,
        n_slots=4,
        n_at_once=4,
        device=there,
        use_triton=False,
        keep_smooth=refine,
    )
    pictures = swaying[18:22].copy()
    if dimmed:
        pictures[1] = pictures[1] * (0.8 - np.arange(96)[:, None] / 300)
    pool.put([0, 1, 2, 3], torch.from_numpy(pictures))
    slots = torch.tensor([[0, 1, 2], [1, 3, 3]], dtype=torch.int32, device=there)
    modes = torch.tensor([[0, 2], [0, 1]], dtype=torch.int8, device=there)
    held = torch.zeros((2, 2, 4), dtype=torch.uint8, device=there)
    held[1, 0, 0] = 1
    start = torch.from_numpy(np.stack([points, points + np.float32(0.4)])).to(there)
    visible[:, :45] = False
    mesh = make_mesh(points, n_neighbors=3)
    scene = Scene.of(points, mesh, geometry, there, visible if refine else None)
    expected, expected_strayed = make_stepper(scene, settings, "torch")(
        pool.frames, slots, modes, held, start
    )
    moved, strayed = make_stepper(scene, settings, "triton")(pool.frames, slots, modes, held, start)
    counts = modes < 2  # where a sequence stands, nobody asks who strayed
    assert torch.equal(strayed[counts] != 0, expected_strayed[counts] != 0)
    assert float((moved - expected).abs().max()) <= 1e-3
    assert float((moved[:, 0] - start).abs().max()) > 1.0  # something moved at all


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from element_facerhythm.core.tracking.batched import (
    triton_clahe, triton_flow, triton_pyramid, triton_refine, triton_settle,
)

def build(kernel, warps, constants, types):
    names = [name for name in kernel.arg_names if name not in constants]
    signature = dict(zip(names, types.split(), strict=True))
    source = ASTSource(
        fn=kernel,
        signature={**signature, **{name: "constexpr" for name in constants}},
        constexprs={(kernel.arg_names.index(name),): value for name, value in constants.items()},
    )
    options = {"num_warps": warps, "enable_fp_fusion": False}
    built = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    print(kernel.__name__, len(built.asm["cubin"]) > 0)

window = {"N_LEVELS": 3, "WINDOW_W": 15, "WINDOW_H": 15, "N_TILE": 256, "N_ITERATIONS": 10}
build(triton_flow.flow_kernel, 2, window,
      "*u8 *i32 *i32 *i8 *u8 *fp32 *fp32 *u8 i32 i32 i32 i32 fp32")
window = {"WINDOW_W": 15, "WINDOW_H": 15, "N_TILE": 256, "N_ITERATIONS": 10}
build(triton_refine.refine_kernel, 2, window,
      "*i16 *fp32 *i32 *fp32 *fp32 *u8 *u8 *fp32 *fp32 *fp32 *fp32 *fp32 *u8 "
      "i32 i32 i32 i32 i32 fp32 fp32 fp32")
build(triton_settle.settle_kernel, 4, {"N_NEIGHBORS": 10, "N_BLOCK": 128},
      "*fp32 *fp32 *u8 *fp32 *i32 *fp32 *i8 *i32 i32 i32 i32 fp32 fp32 fp32")
build(triton_pyramid.halve_kernel, 4, {"N_BLOCK": 256}, "*u8 *i64 i32 i32 i32 i32 i32 i32 i32")
build(triton_clahe.tables_kernel, 1, {"N_CHUNKS": 1, "N_TILE": 32}, "*u8 *u8 i32 i32 i32 i32 i32 i32 fp32")
build(triton_clahe.equalise_kernel, 4, {"N_BLOCK": 1024},
      "*u8 *u8 *u8 *i32 *i32 *fp32 *i32 *i32 *fp32 i32 i32 i32 i32")
"""


def test_kernels_compile_for_a_gpu(tmp_path):
    """The whole way to machine code of compute capability 9.0; that takes no GPU."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    script = tmp_path / "build.py"  # Triton reads the source of what it compiles
    script.write_text(COMPILE)
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("True") == 6
