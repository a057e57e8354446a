"""What `facerhythm doctor` says about torch and its device."""

import pytest
import torch

from element_facerhythm.cli.doctor_checks import check_torch
from element_facerhythm.cli.doctor_finding import OK, WARN


@pytest.mark.parametrize(
    ("is_there", "state", "told"),
    [
        (True, WARN, "cuda: H100; what this package does on a GPU is not yet confirmed"),
        (False, OK, ", cpu, "),
    ],
)
def test_a_gpu_is_named_and_that_nothing_is_confirmed_on_one(
    monkeypatch: pytest.MonkeyPatch, is_there: bool, state: str, told: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: is_there)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H100")
    monkeypatch.setattr("shutil.which", lambda _: None)
    finding = check_torch()
    assert finding.state == state
    assert told in finding.found
