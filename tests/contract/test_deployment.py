"""What the files for containers, Kubernetes and systemd promise.

No image is built here: `docs/deploy.md` says what was tried and what was not.
"""

import configparser
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from element_facerhythm.cli import app

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yaml"
KUBERNETES = ROOT / "deploy" / "kubernetes.yaml"
UNIT = ROOT / "deploy" / "facerhythm-worker@.service"
FILES = (DOCKERFILE, COMPOSE, KUBERNETES, UNIT, ROOT / "deploy" / "mysql" / "grants.sql")
HEALTH = ["facerhythm", "health"]
DEFAULT_GRACE_S = 25.0
SECRET = re.compile(r"pass|secret|token|credential", re.IGNORECASE)


def grace_s() -> float:
    """Seconds that a worker told to stop has to give its job back."""
    worker = get_command(app).commands["worker"]
    defaults = [parameter.default for parameter in worker.params if "--grace" in parameter.opts]
    return float(*defaults or [DEFAULT_GRACE_S])


def seconds(text: str) -> float:
    """Duration as compose and systemd write it."""
    number, unit = re.fullmatch(r"([\d.]+) ?(s|m|min|)", text).groups()
    return float(number) * (60 if unit.startswith("m") else 1)


# ------------------------------------------------------------------ Dockerfile


def stages() -> dict[str, dict[str, list[str]]]:
    """Instructions of each stage of the Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
    found: dict[str, dict[str, list[str]]] = {}
    for line in text.splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            parent, _, name = rest.split(" ")
            current = found.setdefault(name, {"FROM": [parent]})
        elif instruction.isupper() and found:
            current.setdefault(instruction, []).append(rest)
    return found


@pytest.mark.parametrize("target", ["cpu", "cuda", "notebook"])
def test_images_run_as_a_user_and_in_exec_form(target: str) -> None:
    stage = stages()[target]
    assert stage["USER"] == ["1000"]
    commands = [json.loads(text) for name in ("ENTRYPOINT", "CMD") for text in stage.get(name, [])]
    assert all(isinstance(command, list) for command in commands)
    if target == "notebook":
        assert stage["HEALTHCHECK"] == ["NONE"]
        return
    assert commands == [["facerhythm"], ["worker"]]
    (health,) = stage["HEALTHCHECK"]
    assert json.loads(health.partition("CMD ")[2]) == HEALTH


def test_images_hold_what_was_installed_and_nothing_that_installed_it() -> None:
    found = stages()
    assert list(found)[-1] == "cpu", "docker build without a target makes the last stage"
    version = re.search(r"^ARG PYTHON_IMAGE=python:(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert re.fullmatch(r"3\.\d+\.\d+-slim-\w+", version[1])
    for target in ("cpu", "cuda", "notebook"):
        stage = found[target]
        assert stage["FROM"] == ["base"]
        copied = [text for text in stage["COPY"] if "/opt/venv" in text]
        assert copied == [f"--from=build-{target} /opt/venv /opt/venv"]
        assert "pip" not in " ".join(stage.get("RUN", []))
    installs = [
        run
        for stage in found.values()
        for run in stage.get("RUN", [])
        if " install --constraint" in run
    ]
    assert len(installs) == 3
    assert all("--constraint constraints.txt" in run for run in installs)
    compilers = [name for name in ("base", "cpu", "notebook") if "apt-get" in str(found[name])]
    assert compilers == []


# ------------------------------------------------------------------ compose


def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())


def workers() -> dict[str, dict[str, Any]]:
    services = compose()["services"]
    return {name: service for name, service in services.items() if name.startswith("worker")}


def test_compose_workers_can_be_scaled_and_stopped() -> None:
    assert len(workers()) == 3
    for service in workers().values():
        assert service["command"] == ["worker"]
        assert "entrypoint" not in service and "init" not in service
        assert "container_name" not in service and "ports" not in service
        assert seconds(service["stop_grace_period"]) > grace_s()
        assert service["depends_on"] == {"db": {"condition": "service_healthy"}}
        assert service["cap_drop"] == ["ALL"]
        *data, lab = service["volumes"]
        assert lab.endswith(":/lab:ro") and service["environment"]["PYTHONPATH"] == "/lab"
        volumes = dict(volume.rsplit(":/data/", 1)[::-1] for volume in data)
        assert set(volumes) == {"raw:ro", "results"}
    assert compose()["services"]["db"]["healthcheck"]["test"][0] == "CMD"


def test_compose_gives_each_gpu_to_one_worker() -> None:
    devices = [
        service["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"]
        for service in workers().values()
        if "deploy" in service
    ]
    assert devices == [["0"], ["1"]]


def test_compose_is_reachable_from_this_machine_alone() -> None:
    ports = [
        port for service in compose()["services"].values() for port in service.get("ports", [])
    ]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


# ------------------------------------------------------------------ Kubernetes


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(KUBERNETES.read_text()))


@pytest.mark.parametrize(
    "manifest", manifests(), ids=lambda m: f"{m['kind']} {m['metadata']['name']}"
)
def test_manifests_fit_their_schemas(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_kubernetes_workers() -> None:
    pods = [m["spec"]["template"]["spec"] for m in manifests() if m["kind"] == "Deployment"]
    assert len(pods) == 2
    for pod in pods:
        (worker,) = pod["containers"]
        assert pod["terminationGracePeriodSeconds"] > grace_s()
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert worker["args"] == ["worker"] and "command" not in worker
        assert worker["livenessProbe"]["exec"]["command"] == HEALTH
        assert worker["securityContext"]["readOnlyRootFilesystem"] is True
        assert worker["resources"]["requests"].keys() >= {"cpu", "memory"}
        read_only = {m["mountPath"]: m.get("readOnly", False) for m in worker["volumeMounts"]}
        assert read_only["/data/raw"] is True and read_only["/data/results"] is False
        assert read_only["/run/secrets/datajoint"] is True
    limits = [pod["containers"][0]["resources"]["limits"].get("nvidia.com/gpu") for pod in pods]
    assert limits == [None, "1"]


# ------------------------------------------------------------------ systemd


def test_systemd_unit() -> None:
    parser = configparser.RawConfigParser(strict=False, interpolation=None, delimiters="=")
    parser.optionxform = str
    parser.read_string(UNIT.read_text())
    service = parser["Service"]
    assert service["ExecStart"].endswith("/bin/facerhythm worker")
    assert service["User"] not in ("", "root")
    assert (service["Restart"], service["KillSignal"]) == ("always", "SIGTERM")
    assert seconds(service["TimeoutStopSec"]) > grace_s()
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")
    assert service["CapabilityBoundingSet"] == ""
    assert (service["ReadOnlyPaths"], service["ReadWritePaths"]) == ("/data/raw", "/data/results")


# ------------------------------------------------------------------ secrets


def settings(node: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of a YAML document, `NAME=value` and `{name, value}` entries among them."""
    if isinstance(node, dict):
        yield from ((str(name), value) for name, value in node.items())
        if {"name", "value"} <= node.keys():
            yield node["name"], node["value"]
    elif isinstance(node, list):
        yield from (tuple(i.split("=", 1)) for i in node if isinstance(i, str) and "=" in i)
    else:
        return
    for value in node.values() if isinstance(node, dict) else node:
        yield from settings(value)


def test_no_secret_is_written_down() -> None:
    documents = [compose(), *manifests()]
    named = [(n, v) for d in documents for n, v in settings(d) if SECRET.search(n)]
    values = {name: value for name, value in named if isinstance(value, str)}
    assert {"MYSQL_PASSWORD_FILE", "secretName"} <= values.keys()
    assert all(name.endswith("_FILE") for name in values if name != "secretName"), values
    assert "Secret" not in [manifest["kind"] for manifest in manifests()]
    for path in FILES:
        text = path.read_text()
        assert "DJ_PASS" not in text, path
        assert not re.search(r"IDENTIFIED BY", text, re.IGNORECASE), path
    files = [secret["file"] for secret in compose()["secrets"].values()]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert all(":-./secrets/" in file for file in files) and "/secrets/" in ignored
