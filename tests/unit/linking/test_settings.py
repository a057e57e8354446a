"""Which pipeline is meant: from the environment and from datajoint.json; and what its keys may be called."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from element_facerhythm.errors import ConfigurationError
from element_facerhythm.linking.lab_keys import KEYPOINT_COLUMNS, columns_of
from element_facerhythm.linking.settings import PipelineSettings, pipeline_settings

Settings = Callable[..., PipelineSettings]
NAMES = (
    "FACERHYTHM_LINKING_MODULE",
    "FACERHYTHM_DB_PREFIX",
    "FACERHYTHM_SCHEMAS",
    "FACERHYTHM_SESSION_KEY",
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a datajoint.json of its own and variables; nothing else set."""
    import datajoint as dj

    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def read(section: object = None, **variables: str) -> PipelineSettings:
        content = {"database": {"host": "db"}} | (
            {} if section is None else {"facerhythm": section}
        )
        (tmp_path / "datajoint.json").write_text(json.dumps(content))
        for name, value in variables.items():
            monkeypatch.setenv(f"FACERHYTHM_{name}", value)
        with dj.config.override(ignore_config_file=False):
            return pipeline_settings()

    return read


def test_without_settings_the_released_elements_are_meant(settings: Settings) -> None:
    found = settings()
    assert not found.is_of_a_lab
    assert found.schemas["fleet"] == "facerhythm_fleet"
    assert found.session_key == "id"


def test_a_variable_comes_before_the_file(settings: Settings) -> None:
    section = {"linking_module": "a.b", "db_prefix": "lab_", "schemas": {"fleet": "workers"}}
    found = settings(section, LINKING_MODULE="c.d")
    assert (found.linking_module, found.is_of_a_lab) == ("c.d", True)
    assert found.schemas == {
        "facial_behavior_estimation": "lab_facial_behavior_estimation",
        "keypoint_inference": "lab_keypoint_inference",
        "fleet": "workers",
    }
    assert settings(section, SCHEMAS=" fleet = crew ,").schemas["fleet"] == "crew"


def test_an_empty_prefix_is_one_and_an_empty_module_is_none(settings: Settings) -> None:
    found = settings(DB_PREFIX="", LINKING_MODULE="")
    assert found.schemas["fleet"] == "fleet"
    assert not found.is_of_a_lab


@pytest.mark.parametrize(
    ("section", "variables", "named"),
    [
        ({"linkingmodule": "x"}, {}, "linkingmodule"),
        ("lab", {}, "mapping"),
        (None, {"SCHEMAS": "flet=x"}, "flet=x"),
        (None, {"SCHEMAS": "fleet=a,keypoint_inference=a"}, "one name"),
        (None, {"SCHEMAS": "fleet=bad name"}, "bad name"),
        (None, {"DB_PREFIX": "p" * 64}, "64"),
        (None, {"SESSION_KEY": "number"}, "id or datetime"),
    ],
)
def test_a_wrong_setting_is_named(
    section: object, variables: dict[str, str], named: str, settings: Settings
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        settings(section, **variables)


def test_the_columns_of_keypoints_are_known_before_their_schema_is_activated() -> None:
    from element_facerhythm import keypoint_inference

    assert sorted(columns_of(keypoint_inference.schema)) == sorted(KEYPOINT_COLUMNS)
