"""The cluster's files agree with each other and with the command."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from jobs.__main__ import run

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROJECT = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]
MANIFESTS = sorted((DEPLOY / "kuberay").glob("*.yaml"))


def exactly(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """An object with these fields and no others: a misspelt field is an error, as it is not to Kubernetes."""
    fields = {**required, **(optional or {})}
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}


TEXT, WHOLE, YES_NO = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
RESOURCES = exactly({"cpu": TEXT, "memory": TEXT}, {"nvidia.com/gpu": TEXT})
# A variable has no plain `value` here: what is not secret belongs in the spec.
VARIABLE = exactly(
    {"name": TEXT, "valueFrom": exactly({"secretKeyRef": exactly({"name": TEXT, "key": TEXT}, {"optional": YES_NO})})}
)
CONTAINER = exactly(
    {
        "name": TEXT,
        "image": TEXT,
        "env": {"type": "array", "items": VARIABLE},
        "resources": exactly({"requests": RESOURCES, "limits": RESOURCES}),
        "securityContext": exactly(
            {"allowPrivilegeEscalation": {"const": False}, "capabilities": exactly({"drop": {"const": ["ALL"]}})}
        ),
    },
    {
        "ports": {"type": "array", "items": exactly({"containerPort": WHOLE, "name": TEXT})},
        "volumeMounts": {
            "type": "array",
            "items": exactly({"name": TEXT, "mountPath": TEXT, "readOnly": {"const": True}}),
        },
    },
)
POD = exactly(
    {
        "spec": exactly(
            {
                "securityContext": exactly({"runAsNonRoot": {"const": True}, "runAsUser": {"const": 1000}}),
                "containers": {"type": "array", "items": CONTAINER, "minItems": 1},
            },
            {"volumes": {"type": "array", "items": exactly({"name": TEXT, "configMap": exactly({"name": TEXT})})}},
        )
    }
)
WORKERS = exactly(
    {
        "groupName": TEXT,
        "replicas": WHOLE,
        "minReplicas": WHOLE,
        "maxReplicas": WHOLE,
        "rayStartParams": TEXTS,
        "template": POD,
    }
)
RAYJOB = exactly(
    {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": exactly({"name": TEXT}, {"labels": TEXTS}),
        "spec": exactly(
            {
                "entrypoint": TEXT,
                "backoffLimit": WHOLE,
                "shutdownAfterJobFinishes": YES_NO,
                "ttlSecondsAfterFinished": WHOLE,
                "rayClusterSpec": exactly(
                    {
                        "rayVersion": TEXT,
                        "authOptions": exactly({"mode": {"const": "token"}}),
                        "enableInTreeAutoscaling": YES_NO,
                        "headGroupSpec": exactly({"rayStartParams": TEXTS, "template": POD}),
                        "workerGroupSpecs": {"type": "array", "items": WORKERS, "minItems": 1},
                    }
                ),
            }
        ),
    }
)


@pytest.fixture(params=MANIFESTS, ids=lambda path: path.name)
def job(request: pytest.FixtureRequest) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(request.param.read_text())
    return loaded


def containers(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [container for pod in pods for container in pod["template"]["spec"]["containers"]]


def test_there_are_manifests() -> None:
    assert MANIFESTS


def test_fields_are_known_and_secrets_are_references(job: dict[str, Any]) -> None:
    jsonschema.validate(job, RAYJOB)


def test_our_command_takes_the_entrypoint(job: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    python, dash, jobs, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (python, dash, jobs) == ("python", "-m", "jobs")
    assert run(arguments) == 2  # the spec is not on this machine: all else was understood
    assert "/etc/deglu/embed.yaml: no such spec file" in capsys.readouterr().err


def test_the_spec_is_where_the_entrypoint_looks(job: dict[str, Any]) -> None:
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    (mount,) = head["containers"][0]["volumeMounts"]
    (volume,) = head["volumes"]
    assert mount["name"] == volume["name"]
    assert f"{mount['mountPath']}/embed.yaml" in job["spec"]["entrypoint"]
    assert f"kubectl create configmap {volume['configMap']['name']} --from-file=embed.yaml=" in runbook()


def test_one_image_everywhere(job: dict[str, Any]) -> None:
    (image,) = {container["image"] for container in containers(job)}
    assert image.partition(":")[2].partition("-")[0] == PROJECT["version"]
    assert f"-t {image} ." in runbook()
    assert f"-t {image.rpartition('/')[2]} ." in (DEPLOY / "Dockerfile").read_text()


def test_the_cluster_runs_the_ray_we_depend_on(job: dict[str, Any]) -> None:
    (ray,) = (line for line in PROJECT["dependencies"] if line.startswith("ray["))
    major_minor = job["spec"]["rayClusterSpec"]["rayVersion"].rpartition(".")[0]
    assert f">={major_minor}," in ray


def test_all_containers_have_the_same_keys(job: dict[str, Any]) -> None:
    head, *workers = containers(job)
    assert all(worker["env"] == head["env"] for worker in workers)
    assert f"secret generic {head['env'][0]['valueFrom']['secretKeyRef']['name']} " in runbook()


def test_the_image_takes_all_rooms_and_both_extras() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    rooms = ("embed", "index", "train", "evaluate", "jobs", "deploy")
    assert all(f"COPY {room} {room}\n" in text for room in rooms)
    assert {"cpu", "gpu"} <= set(PROJECT["optional-dependencies"])
    assert re.search(r"^USER 1000$", text, re.MULTILINE)
    assert not re.search(r"SECRET|PASSWORD|TOKEN|ACCESS_KEY", text)


def runbook() -> str:
    return (DEPLOY / "README.md").read_text()
