"""The moving picture of the front pages: small enough to load, and made again by its script."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "images" / "rhythms.webp"


def durations_ms(path: Path) -> list[int]:
    """Return how long each picture stays."""
    with Image.open(path) as image:
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            durations.append(image.info["duration"])
    return durations


def test_it_is_small_loops_and_lasts_some_five_seconds() -> None:
    assert PICTURE.stat().st_size < 2_500_000
    assert 4000 < sum(durations_ms(PICTURE)) < 6000
    with Image.open(PICTURE) as image:
        assert image.info["loop"] == 0  # without end


def test_both_front_pages_show_it() -> None:
    assert "](docs/images/rhythms.webp)" in (ROOT / "README.md").read_text("utf-8")
    assert "](images/rhythms.webp)" in (ROOT / "docs" / "index.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_script_draws_points_that_light_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location(
        "moving_picture", ROOT / "docs" / "moving_picture.py"
    )
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "N_FRAMES", 300)
    monkeypatch.setattr(script, "SHOWN", range(180, 300, 12))  # whisking begins and ends

    script.main(tmp_path / "short.webp")

    assert len(durations_ms(tmp_path / "short.webp")) == 10
    with Image.open(tmp_path / "short.webp") as image:
        saturation = []
        for number in range(image.n_frames):
            image.seek(number)
            face = np.asarray(image.convert("RGB"))[:, : image.width * 6 // 10].astype(int)
            saturation.append(np.ptp(face, axis=2).mean())
    assert max(saturation) > 1.5 * min(saturation)
