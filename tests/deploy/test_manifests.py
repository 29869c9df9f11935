"""What is deployed: valid for the API server, consistent in itself, and started with options that exist."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from support.processes import ROOT, environ

DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "k8s" / "base"
KUSTOMIZATION = yaml.safe_load((BASE / "kustomization.yaml").read_text())


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(DEPLOY.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] != "Kustomization":
                yield f"{path.name}:{document['kind']}", document


DOCUMENTS = dict(documents())
PODS = {
    name: document["spec"]["template"]["spec"]
    for name, document in DOCUMENTS.items()
    if "template" in document.get("spec", {})
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_api_server_would_take_it(name: str) -> None:
    for version in ("1.31", kubernetes_validate.latest_version()):
        kubernetes_validate.validate(DOCUMENTS[name], version, strict=True)


def test_the_base_lists_every_file_once() -> None:
    files = sorted(path.name for path in BASE.glob("*.yaml") if path.name != "kustomization.yaml")
    assert sorted(KUSTOMIZATION["resources"]) == files


def test_services_find_their_pods_and_the_ingress_its_services() -> None:
    def specs(kind: str) -> dict[str, Any]:
        found = (document for document in DOCUMENTS.values() if document["kind"] == kind)
        return {document["metadata"]["name"]: document["spec"] for document in found}

    pods = {name: spec["template"] for name, spec in specs("Deployment").items()}
    services = specs("Service")
    assert services.keys() == pods.keys()
    for name, service in services.items():
        template = pods[name]
        assert service["selector"].items() <= template["metadata"]["labels"].items()
        ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"]: port["port"] for port in service["ports"]} == ports
    for path in DOCUMENTS["ingress.yaml:Ingress"]["spec"]["rules"][0]["http"]["paths"]:
        backend = path["backend"]["service"]
        assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["ports"]}


@pytest.mark.parametrize("name", PODS)
def test_pods_run_without_rights_they_do_not_need(name: str) -> None:
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert container["resources"]["requests"]


@pytest.mark.parametrize("name", [name for name in PODS if "Deployment" in name])
def test_probes_ask_for_a_service_that_the_process_has(name: str) -> None:
    (container,) = PODS[name]["containers"]
    module = importlib.import_module(f"{container['args'][2]}.server")
    names = {getattr(kind, "name", None) for kind in vars(module).values() if isinstance(kind, type)}
    assert container["readinessProbe"]["grpc"]["service"] in names
    grace = float(container["args"][container["args"].index("--grace") + 1])
    assert PODS[name]["terminationGracePeriodSeconds"] > grace


@pytest.mark.parametrize("name", PODS)
def test_every_command_takes_its_options(name: str) -> None:
    """The program is there, and its help lists every option of the manifest."""
    (container,) = PODS[name]["containers"]
    program, *arguments = container["args"]
    command = [sys.executable, *(["-m", "runstream"] if program == "runstream" else []), *arguments, "--help"]
    done = subprocess.run(command, env=environ(), cwd="/", capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    options = {word for word in arguments if word.startswith("--")}
    assert options <= set(re.findall(r"--[a-z-]+", done.stdout))


def test_the_images_are_one_and_of_this_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert [image["newTag"] for image in KUSTOMIZATION["images"]] == [version[1]]
    for pod in PODS.values():
        assert pod["containers"][0]["image"].split(":")[0] == "runstream"


def test_the_dockerfile_is_sound_and_copies_what_exists() -> None:
    dockerfile = DEPLOY / "docker" / "Dockerfile"
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([linter, dockerfile], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    for line in re.findall(r"^COPY (?!--)(.+)$", dockerfile.read_text(), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
    packages = re.search(r"^packages = (\[.+\])$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages
    for package in re.findall(r'"(\w+)"', packages[1]):
        assert f"COPY {package} {package}" in dockerfile.read_text()
