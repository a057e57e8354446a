"""Run by facemap 1.0.8 in an environment of its own: its `Pose` on a video, or its functions on frames.

``python keypoints_peer.py REQUEST.json ANSWER.json`` with HOME set to an empty directory. It imports nothing
of this repository. A request has ``weights`` (a state dictionary), ``channels``, and either ``video``, or
``cases`` (an npz file of frames and boxes, see `keypoints.write_golden`); ``arrays`` is the npz file to
write.

facemap looks for its model in ``~/.facemap/models`` and downloads it when that is imported, so the weights
are put there first; it finds 15 body parts, whatever the weights say.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

MODELS_DIR = Path.home() / ".facemap" / "models"


def main() -> None:
    """Answer one request."""
    request_path, answer_path = map(Path, sys.argv[1:])
    request = json.loads(request_path.read_text())
    import torch

    MODELS_DIR.mkdir(parents=True, exist_ok=True)
    state = torch.load(request["weights"])
    torch.save(state, MODELS_DIR / "facemap_model_state.pt")
    torch.save(
        {"params": {"channels": request["channels"]}}, MODELS_DIR / "facemap_model_params.pth"
    )
    with contextlib.redirect_stdout(io.StringIO()):
        answer = on_video(request) if "video" in request else on_cases(request, state)
    answer_path.write_text(json.dumps({"jobs": [answer]}))


def on_video(request: dict[str, Any]) -> dict[str, Any]:
    """Time `Pose` on a video: reading, network and writing, as its users wait for it."""
    import numpy as np
    from facemap.pose.pose import Pose

    pose = Pose(filenames=[[request["video"]]], bbox=[], model_name=None)
    started = time.perf_counter()
    pose.pose_prediction_setup()
    found, _ = pose.predict_landmarks(0)
    seconds = time.perf_counter() - started
    np.savez(request["arrays"], found=found.numpy())
    return {"seconds": seconds, "n_frames": len(found)}


def on_cases(request: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """Run its functions on frames that lie ready, one at a time as `Pose` does."""
    import numpy as np
    import torch
    from facemap.pose import pose_helper_functions, transforms
    from facemap.pose.facemap_network import FMnet

    device = torch.device("cpu")
    n_outputs = state["Conv2_1x1.conv0.weight"].shape[0]
    network = FMnet(1, n_outputs, list(range(n_outputs)), request["channels"], device)
    network.load_state_dict(state)
    network.eval()
    results = {}
    with np.load(request["cases"]) as cases:
        for name in map(str, cases["cases"]):
            frames, bbox = cases[f"{name}/frames"], [int(n) for n in cases[f"{name}/bbox"]]
            rows, columns = bbox[1] - bbox[0], bbox[3] - bbox[2]
            found = []
            for frame in frames:
                picture, padded, pads = transforms.preprocess_img(
                    frame[None, None], bbox, rows != columns, True, device=device
                )
                x, y, likelihood = pose_helper_functions.predict(network, picture, smooth=False)
                x, y = transforms.adjust_keypoints(
                    x,
                    y,
                    crop_xy=(bbox[2], bbox[0]),
                    padding=pads,
                    current_size=(256, 256),
                    desired_size=padded,
                )
                found.append(torch.stack([x[0], y[0], likelihood[0]], dim=1).numpy())
            results[name] = np.stack(found)
    np.savez(request["arrays"], **results)
    return {"n_cases": len(results)}


if __name__ == "__main__":
    main()
