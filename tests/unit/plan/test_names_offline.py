"""Without a network a plan takes names of checkpoints for what they were when they were stored, and says so."""

import json
from pathlib import Path

import pytest
from evalflow.checkpoints import huggingface, mlflow
from evalflow.checkpoints.remote import Unreachable
from evalflow.errors import UserError
from support.ids import downscaler, forecaster

COMMITS = ("a" * 40, "b" * 40)
HUB = "https://huggingface.co/org/repo/resolve"
NAMES = {
    # name that can move → names that cannot, of what it meant first and later
    f"{HUB}/main/a.onnx": [f"{HUB}/{commit}/a.onnx" for commit in COMMITS],
    "https://huggingface.co/org/repo/blob/v1.0/a.onnx?download=true": [f"{HUB}/{commit}/a.onnx" for commit in COMMITS],
    "https://mlflow.example.org/#/models/my%20model": [
        f"https://mlflow.example.org#/models/my%20model/versions/{n}" for n in (1, 12)
    ],
    "https://mlflow.example.org#/models/m@champion": [
        f"https://mlflow.example.org#/models/m/versions/{n}" for n in (3, 4)
    ],
}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_):
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.setattr(huggingface, "_now", refuse)
    monkeypatch.setattr(mlflow, "_version_now", refuse)


def seal_of(experiment, moving: str, pinned: str, made: str) -> str:
    """Store an environment's seal, as if its checkpoint had been named by `moving`, and return its env_id."""
    experiment.data["runs"] = [forecaster(checkpoint=pinned)]
    (env,) = experiment.plan()["envs"]
    folder = Path(env["spec"]["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    seal = {"checkpoint": moving, "identity": env["spec"]["identity"], "made": made, "sha256": env["spec"]["sha256"]}
    (folder / "env.json").write_text(json.dumps(seal))
    return env["env_id"]


@pytest.mark.parametrize("moving", NAMES)
def test_a_name_means_what_it_meant_when_it_was_last_stored(experiment, moving):
    first, later = NAMES[moving]
    seal_of(experiment, moving, first, "2024-01-01T00:00:00+00:00")
    env_id = seal_of(experiment, moving, later, "2024-02-01T00:00:00+00:00")
    seal_of(experiment, "https://example.org/other", first, "2024-03-01T00:00:00+00:00")
    experiment.data["runs"] = [forecaster(checkpoint=moving)]
    plan = experiment.plan()
    (env,) = plan["envs"]
    assert env["env_id"] == env_id and env["spec"]["checkpoint"]["uri"] == moving
    assert env["spec"]["checkpoint"]["location"] == later
    (line,) = [line for line in plan["warnings"] if "taken for" in line]
    assert line.startswith("runs[0].forecaster.checkpoint: https://") and "connection refused" in line
    assert line.endswith(
        f"; taken for {later}, as when it was stored; a name with a commit or a version needs no network"
    )


@pytest.mark.parametrize("moving", NAMES)
def test_a_name_that_nothing_is_stored_of_is_refused(experiment, moving):
    experiment.data["runs"] = [forecaster(checkpoint=moving)]
    with pytest.raises(UserError) as caught:
        experiment.plan()
    (line,) = str(caught.value).splitlines()
    assert line.startswith("runs[0].forecaster.checkpoint: ") and "connection refused" in line
    assert line.endswith("; nothing is stored of this name, and a name with a commit or a version needs no network")


@pytest.mark.parametrize("moving", NAMES)
def test_a_name_that_cannot_move_needs_no_network_and_no_store(experiment, moving):
    experiment.data["runs"] = [forecaster(checkpoint=NAMES[moving][0])]
    assert not [line for line in experiment.plan()["warnings"] if "taken for" in line]


def test_each_entry_with_such_a_name_is_said(experiment):
    moving, (pinned, _) = next(iter(NAMES.items()))
    seal_of(experiment, moving, pinned, "2024-01-01")
    experiment.data["runs"] = [downscaler(forecaster(checkpoint=moving), checkpoint=moving)]
    lines = [line.partition(": ")[0] for line in experiment.plan()["warnings"] if "taken for" in line]
    assert sorted(lines) == [
        "runs[0].temporal_downscaler.checkpoint",
        "runs[0].temporal_downscaler.forecaster.checkpoint",
    ]


def test_a_server_that_denies_access_is_an_error_whatever_is_stored(experiment, monkeypatch):
    class Denied(Exception):
        response = type("Response", (), {"status_code": 403})

    def deny(*_):
        raise Denied

    moving, (pinned, _) = next(iter(NAMES.items()))
    seal_of(experiment, moving, pinned, "2024-01-01")
    monkeypatch.setattr(huggingface, "_now", deny)
    experiment.data["runs"] = [forecaster(checkpoint=moving)]
    with pytest.raises(UserError, match="denies access"):
        experiment.plan()
    assert not issubclass(UserError, Unreachable)


def test_a_seal_that_is_damaged_is_passed_over(experiment):
    moving, (pinned, _) = next(iter(NAMES.items()))
    env_id = seal_of(experiment, moving, pinned, "2024-01-01")
    store = Path(experiment.data["locations"]["output_root"]) / "data" / "runs"
    for name, text in {
        "x": "{",
        "y": json.dumps({"checkpoint": moving, "identity": {"checkpoint": 1}, "made": "9"}),
    }.items():
        (store / name).mkdir()
        (store / name / "env.json").write_text(text)
    experiment.data["runs"] = [forecaster(checkpoint=moving)]
    assert [env["env_id"] for env in experiment.plan()["envs"]] == [env_id]
