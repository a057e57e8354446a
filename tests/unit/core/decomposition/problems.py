"""Tensors with planted components, as several tests need them."""

import numpy as np

from element_facerhythm.core.decomposition import CpModel

NAMES = ("(xy points)", "frequency", "time")


def planted(shape=(160, 20, 130), rank=3, noise=0.1, seed=0, signed=False):
    """A float32 tensor of `rank` components and noise (a share of its norm), and its model."""
    rng = np.random.default_rng(seed)

    def draw(n):
        return rng.standard_normal((n, rank)) if signed else rng.gamma(0.5, 1.0, (n, rank))

    factors = {name: draw(n) for name, n in zip(NAMES, shape, strict=True)}
    tensor = np.einsum("ir,jr,kr->ijk", *factors.values())
    error = rng.standard_normal(shape)
    tensor = tensor + noise * error * np.linalg.norm(tensor) / np.linalg.norm(error)
    truth = CpModel(NAMES, factors, np.ones(rank), np.zeros(rank), np.zeros(rank), 0.0, 1.0)
    return tensor.astype(np.float32), truth
