"""Files of weights that would cost more than they hold, or hold more than weights."""

import pickle
import resource
import subprocess
import sys
import zipfile

import pytest
import torch

from element_facerhythm.errors import KeypointError
from element_facerhythm.keypoints.facemap_model import load_facemap_model
from element_facerhythm.keypoints.weights_file import read_weights
from tests.unit.keypoints.training import PARTS, new_network, save_weights

NAMES = tuple(PARTS)


def compressed(path, state):
    """A gigabyte of zeros in a megabyte."""
    torch.save({"w": torch.zeros(4)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {e.filename: archive.read(e) for e in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            with archive.open(name, "w") as entry:
                for _ in range(1024 if name.endswith("data/0") else 1):
                    entry.write(bytes(1 << 20) if name.endswith("data/0") else content)


def expanded(path, state):
    """One number, declared to be 4 TB of them."""
    torch.save({**state, "Conv2_1x1.conv0.weight": torch.zeros(1).expand(1 << 40, 1, 1, 1)}, path)


def over_declared(path, state):
    """A tensor that is said to be longer than what is stored of it."""
    torch.save({"w": torch.arange(4.0)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {e.filename: archive.read(e) for e in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content.replace(b"K\x04", b"K\x7f"))


def of_an_older_torch(path, state):
    torch.save(state, path, _use_new_zipfile_serialization=False)


def long_directory(path, state):
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(60_000):
            archive.writestr(f"archive/data/{i:08d}" + "x" * 60, b"")


def long_pickle(path, state):
    torch.save({f"{i}": "x" * 1000 for i in range(6000)}, path)


def sparse(path, state):
    torch.save({"w": torch.zeros(3, 3).to_sparse()}, path)


def with_holes(path, state):
    torch.save(state, path)
    with path.open("r+b") as file:
        file.truncate(1 << 40)


def a_list(path, state):
    torch.save(list(state.values()), path)


MAKERS = [
    compressed, expanded, over_declared, of_an_older_torch, long_directory, long_pickle, sparse,
    with_holes, a_list,
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_what_is_no_plain_file_of_weights_is_refused(tmp_path, make):
    path = tmp_path / "foreign.pt"
    make(path, new_network().state_dict())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(KeypointError, match=r"model file .*foreign\.pt"):
        read_weights(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


def test_layers_that_declare_a_network_of_terabytes_are_refused(tmp_path):
    """Each block is small in the file; between two of them lie a million times a million weights."""
    state = {f"Conv.conv{i}.conv.conv_1.2.weight": torch.zeros(10**6, 1, 1, 1) for i in range(4)}
    state |= {
        "Up_conv.upconv0.x": torch.zeros(1),
        "Conv2_1x1.conv0.weight": torch.zeros(4, 1, 1, 1),
    }
    torch.save(state, tmp_path / "wide.pt")
    with pytest.raises(KeypointError, match="another network than facemap's"):
        load_facemap_model(tmp_path / "wide.pt", NAMES, device=torch.device("cpu"))


def test_half_precision_weights_compute_in_single(tmp_path):
    network = new_network().half()
    path = save_weights(network, tmp_path / "half.pt")
    model = load_facemap_model(path, NAMES, device=torch.device("cpu"))
    assert all(w.dtype == torch.float32 for w in model.network.parameters())
    with torch.inference_mode():
        heat = model.network(torch.zeros(1, 1, 256, 256))[0]
        expected = new_network().half().float().eval()(torch.zeros(1, 1, 256, 256))[0]
    torch.testing.assert_close(heat, expected)


class Trap:
    def __reduce__(self):
        return (print, ("trap was sprung",))


def test_nothing_is_run_in_a_process_that_reads_a_pickle(tmp_path):
    (tmp_path / "trap.pt").write_bytes(pickle.dumps(Trap()))
    torch.save({"x": Trap()}, tmp_path / "beside.pt")
    script = (
        "import sys; from pathlib import Path\n"
        "from element_facerhythm.keypoints.weights_file import read_weights\n"
        "from element_facerhythm.errors import KeypointError\n"
        "for name in sys.argv[1:]:\n"
        "    try: read_weights(Path(name))\n"
        "    except KeypointError as error: print(error, file=sys.stderr)\n"
    )
    files = [str(tmp_path / name) for name in ("trap.pt", "beside.pt")]
    done = subprocess.run(
        [sys.executable, "-c", script, *files], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr.count("could run code") == 2
