"""The vqt library, in the peer's environment: transforms on request, until its input ends.

Usage: ``python spectral_peer.py TRACES.npy OUTPUT.npy PARAMETERS.json``. Each line read is one transform of
all traces, ten at a time as face-rhythm 0.3.3 does it; the seconds it took are printed. At the end the last
result is saved. Nothing of this package is imported: the peer's environment does not have it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import vqt

BATCH_SIZE = 10


def main() -> None:
    """Answer line by line."""
    traces_path, output_path, parameters_path = sys.argv[1:]
    traces = torch.as_tensor(np.load(traces_path))
    transform = vqt.VQT(**json.loads(Path(parameters_path).read_text()))
    spectrogram = None
    for _ in sys.stdin:
        spectrogram = None
        started = time.perf_counter()
        batches = [transform(traces[i : i + BATCH_SIZE]) for i in range(0, len(traces), BATCH_SIZE)]
        spectrogram = torch.cat(batches).numpy()
        print(time.perf_counter() - started, flush=True)
    np.save(output_path, spectrogram)


if __name__ == "__main__":
    main()
