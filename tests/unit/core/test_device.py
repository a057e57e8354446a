import pytest
import torch

from element_facerhythm.core import device as device_module
from element_facerhythm.core.device import is_out_of_memory, resolve_device
from element_facerhythm.errors import ParameterError


def test_the_cpu_is_always_there():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device(" CPU ") == torch.device("cpu")


def test_auto_takes_what_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda:0")
    assert resolve_device("cuda") == torch.device("cuda:0")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ParameterError, match=r"sees 2 CUDA device"):
        resolve_device("cuda:2")


def test_cuda_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParameterError, match="sees no CUDA device here"):
        resolve_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "mps", ""])
def test_unknown_names_are_refused(name):
    with pytest.raises(ParameterError, match="expected 'auto', 'cpu', 'cuda'"):
        resolve_device(name)


@pytest.mark.gpu
def test_cuda_computes():
    device = resolve_device("cuda")
    assert float(torch.ones(3, device=device).sum()) == 3.0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.cuda.OutOfMemoryError("Tried to allocate 2 GiB"), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), True),
        (RuntimeError("CUFFT_ALLOC_FAILED"), True),
        (RuntimeError("an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_running_out_of_memory_is_told_from_other_errors(error, expected):
    assert is_out_of_memory(error) is expected


def test_naming_the_cpu_asks_torch_only_where_there_may_be_a_gpu(monkeypatch):
    def refuse(name):
        raise AssertionError(name)

    monkeypatch.setattr(device_module, "resolve_device", refuse)
    monkeypatch.setattr(device_module, "_may_have_gpu", lambda: False)
    assert device_module.device_name("auto") == device_module.device_name(" CPU ") == "cpu"
    with pytest.raises(AssertionError, match="cuda:1"):
        device_module.device_name("cuda:1")
    monkeypatch.setattr(device_module, "_may_have_gpu", lambda: True)
    with pytest.raises(AssertionError, match="auto"):
        device_module.device_name("auto")


def test_a_named_device_is_the_resolved_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_module.device_name("cuda") == "cuda:0"
    with pytest.raises(ParameterError, match="expected 'auto', 'cpu', 'cuda'"):
        device_module.device_name("gpu")
